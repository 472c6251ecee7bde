"""imap-tools: appends all of /tmp/mail, fetches it into /tmp/got and /tmp/got.flags, and works with folders, flags and IDLE."""

import datetime
import ssl
import sys
from pathlib import Path

from imap_tools import AND, A, MailBox, MailBoxStartTls, MailBoxUnencrypted, MailMessage, MailMessageFlags

HOST, PASSWORD, WAY, CA = sys.argv[1:]
FLAGS = open("/tmp/got.flags", "w")
FOLDER = "Ordner & mehr/Łódź"


class Raw(MailMessage):
    """A message with its octets."""

    def __init__(self, fetch_data):
        super().__init__(fetch_data)
        self.octets = next(part[1] for part in fetch_data if isinstance(part, tuple))


def login():
    context = ssl.create_default_context(cafile=CA)
    if WAY == "Plain":
        box = MailBoxUnencrypted(HOST, timeout=30)
    else:
        box = (MailBox if WAY == "Tls" else MailBoxStartTls)(HOST, ssl_context=context, timeout=30)
    box.email_message_class = Raw
    return box.login("joe", PASSWORD)


def append_all(box):
    box.folder.create(FOLDER)
    for line in Path("/tmp/mail.flags").read_text().splitlines():
        name, *flags = line.split()
        when = datetime.datetime.fromtimestamp(1_700_000_000 + int(name), datetime.timezone.utc)
        box.append(Path("/tmp/mail", name).read_bytes(), FOLDER, dt=when, flag_set=flags)


def fetch_all(box):
    box.folder.set(FOLDER)
    count = 0
    for message in box.fetch(mark_seen=False, bulk=50):
        count += 1
        assert message.uid == str(count)
        assert message.subject == f"message {count}" and message.from_ == f"sender{count}@example.org"
        assert message.size_rfc822 == len(message.octets)
        Path("/tmp/got", message.uid).write_bytes(message.octets)
        print(message.uid, *message.flags, file=FLAGS)
    assert count == box.folder.status(FOLDER)["MESSAGES"]


def everything_else(box):
    assert box.uids(AND(subject="message 17"))[0] == "17"
    flagged = box.uids(A(flagged=True))
    box.flag(flagged, MailMessageFlags.ANSWERED, True)
    assert set(flagged) <= set(box.uids(A(answered=True)))
    assert box.numbers("UID 3:5") == ["3", "4", "5"]
    assert box.uids(sort="REVERSE ARRIVAL")[-1] == "1"
    box.folder.create("Archiv")
    box.copy(["1", "2"], "Archiv")
    box.move(["3", "4"], "Archiv")
    box.delete(["5"])
    assert box.folder.status("Archiv")["MESSAGES"] == 4
    assert box.uids("UID 1:6") == ["1", "2", "6"]
    box.folder.rename("Archiv", "Archiv 2026")
    assert {"INBOX", FOLDER, "Archiv 2026"} <= {folder.name for folder in box.folder.list()}
    box.folder.subscribe("Archiv 2026", True)
    assert [folder.name for folder in box.folder.list(subscribed_only=True)] == ["Archiv 2026"]
    box.folder.set("INBOX")
    box.folder.delete("Archiv 2026")
    assert not box.folder.exists("Archiv 2026")


def idle(box):
    box.idle.start()
    other = login()
    other.append(b"Subject: news\r\n\r\nhere\r\n", "INBOX")
    told = box.idle.poll(timeout=20)
    assert b"* 1 EXISTS" in told, told
    box.idle.stop()
    other.logout()


box = login()
append_all(box)
fetch_all(box)
everything_else(box)
idle(box)
box.logout()
