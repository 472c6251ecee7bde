"""Two sessions of IMAPClient and one of poplib in one mailbox: each learns what the others did when the RFCs allow it, and only then."""

import poplib
import sys

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

HOST, PASSWORD = sys.argv[1:]
FLAGGED, SEEN = b"\\Flagged", b"\\Seen"


def login():
    imap = IMAPClient(HOST, ssl=False, timeout=30, use_uid=False)
    imap.login("joe", PASSWORD)
    # Asked now, it is not asked in the middle, where it would have news.
    imap.capabilities()
    return imap


def told(imap, what):
    """What was told by the way since the last question."""
    return [line for line in imap._imap.response(what)[1] if line is not None]


def news(imap):
    return imap.noop()[1]


def flags(line):
    items = line[2]
    return set(items[items.index(b"FLAGS") + 1])


one, other = login(), login()
for number in range(1, 11):
    one.append("INBOX", b"Subject: number %d\r\n\r\nhere\r\n" % number)
assert one.select_folder("INBOX")[b"EXISTS"] == 10
assert other.select_folder("INBOX")[b"EXISTS"] == 10

# Flags of others are told with any command's answer; one's own silent changes are not.
one.add_flags([3], [FLAGGED], silent=True)
assert all(line[1] != b"FETCH" for line in news(one)), "a silent change was told"
[line] = [line for line in news(other) if line[1] == b"FETCH"]
assert line[0] == 3 and flags(line) - {b"\\Recent"} == {FLAGGED}, line

# RFC 9051 7.5.1: no EXPUNGE during FETCH, STORE and SEARCH, so that numbers stay what they were.
one.delete_messages([5, 7])
one.expunge()
assert sorted(map(int, told(one, "EXPUNGE"))) in ([5, 6], [5, 7])
for question in (
    lambda: other.fetch(range(8, 11), ["ENVELOPE"]),
    lambda: other.fetch([5], ["BODY.PEEK[]"]),
    lambda: other.add_flags([9], [SEEN]),
    lambda: other.search(["SUBJECT", "number"]),
):
    try:
        answer = question()
    except IMAPClientError as error:
        assert "EXPUNGEISSUED" in str(error) or "expunged" in str(error).lower(), error
    assert told(other, "EXPUNGE") == [], "told while numbers must not change"
assert other.fetch([8], ["ENVELOPE"])[8][b"ENVELOPE"].subject == b"number 8"
gone = [line[0] for line in news(other) if line[1] == b"EXPUNGE"]
assert sorted(gone) in ([5, 6], [5, 7]), gone
assert other.fetch([6], ["ENVELOPE"])[6][b"ENVELOPE"].subject == b"number 8"
[line] = [line for line in news(one) if line[1] == b"FETCH"]
assert line[0] == 7 and SEEN in flags(line), line

# POP3 keeps its own numbers, too.
pop = poplib.POP3(HOST, timeout=30)
pop.user("joe"), pop.pass_(PASSWORD)
assert pop.stat()[0] == 8
one.delete_messages([1])
one.expunge()
one.append("INBOX", b"Subject: late\r\n\r\nhere\r\n")
assert pop.stat()[0] == 8
assert b"Subject: number 2" in pop.retr(2)[1]
told(one, "EXPUNGE")
pop.dele(2)
assert all(line[1] != b"EXPUNGE" for line in news(one)), "POP3 deletes at the end"

# IDLE tells it all at once; who was away in another mailbox finds it.
other.create_folder("Away")
told(other, "EXPUNGE")
other.select_folder("INBOX")
other.idle()
pop.quit()
seen = []
while (1, b"EXPUNGE") not in seen:
    lines = other.idle_check(timeout=20)
    assert lines, seen
    seen += lines
other.idle_done()
assert [line[0] for line in news(one) if line[1] == b"EXPUNGE"] == [1]
mine = {number: items[b"ENVELOPE"].subject for number, items in one.fetch(range(1, 8), ["ENVELOPE"]).items()}
its = {number: items[b"ENVELOPE"].subject for number, items in other.fetch(range(1, 8), ["ENVELOPE"]).items()}
assert mine == its and mine[1] == b"number 3" and mine[7] == b"late", (mine, its)

# What is moved away is not there for anybody.
one.create_folder("Short")
one.append("Short", b"Subject: short\r\n\r\nhere\r\n")
other.select_folder("Short")
other.use_uid = True
other.move([1], "Away")
assert one.folder_status("Short", ["MESSAGES"])[b"MESSAGES"] == 0
assert one.folder_status("Away", ["MESSAGES"])[b"MESSAGES"] == 1
one.logout()
other.logout()
