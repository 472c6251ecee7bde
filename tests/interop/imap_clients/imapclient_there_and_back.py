"""IMAPClient: appends all of /tmp/mail, fetches it into /tmp/got and /tmp/got.flags, waits in IDLE, sorts, threads, moves and reads structures."""

import datetime
import ssl
import sys
from pathlib import Path

import imapclient
from imapclient import IMAPClient

HOST, PASSWORD, WAY, CA = sys.argv[1:]
FLAGS = open("/tmp/got.flags", "w")
FOLDER = "Entwürfe/東京 & mehr"


def login():
    context = ssl.create_default_context(cafile=CA)
    imap = IMAPClient(HOST, ssl=WAY == "Tls", ssl_context=context if WAY == "Tls" else None, timeout=30)
    if WAY == "StartTls":
        imap.starttls(context)
    imap.login("joe", PASSWORD)
    return imap


def append_all(imap):
    imap.create_folder(FOLDER)
    imap.subscribe_folder(FOLDER)
    assert FOLDER in [name for _, _, name in imap.list_sub_folders()]
    lines = [line.split() for line in Path("/tmp/mail.flags").read_text().splitlines()]
    half = len(lines) // 2
    for name, *flags in lines[:half]:
        imap.append(FOLDER, Path("/tmp/mail", name).read_bytes(), flags, at(name))
    # The others in one command.
    rest = [{"msg": Path("/tmp/mail", name).read_bytes(), "flags": flags, "date": at(name)} for name, *flags in lines[half:]]
    imap.multiappend(FOLDER, rest)


def at(name):
    return datetime.datetime.fromtimestamp(1_700_000_000 + int(name))


def fetch_all(imap):
    count = imap.select_folder(FOLDER)[b"EXISTS"]
    imap.normalise_times = True
    told = imap.fetch(range(1, count + 1), ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY.PEEK[]", "MODSEQ"])
    assert sorted(told) == list(range(1, count + 1))
    for uid, items in told.items():
        text = items[b"BODY[]"]
        assert items[b"RFC822.SIZE"] == len(text)
        assert items[b"INTERNALDATE"] == at(str(uid)), items[b"INTERNALDATE"]
        assert items[b"ENVELOPE"].subject == b"message %d" % uid, items[b"ENVELOPE"]
        assert str(items[b"ENVELOPE"].from_[0]) == f"Sender {uid} <sender{uid}@example.org>"
        assert items[b"BODYSTRUCTURE"].is_multipart == (b"multipart/mixed" in text)
        Path("/tmp/got", str(uid)).write_bytes(text)
        print(uid, *(flag.decode() for flag in items[b"FLAGS"]), file=FLAGS)
    return count


def everything_else(imap, count):
    assert imap.search(["SUBJECT", "message 17", "UNKEYWORD", "nothing"])[0] == 17
    assert imap.search(["NOT", ["OR", "1:3", ["UID", "5"]]]) == [4, *range(6, count + 1)]
    assert imap.search(["BODY", "žluťoučký"], "UTF-8")
    assert imap.sort(["REVERSE ARRIVAL"], ["UID", "1:9"]) == list(range(9, 0, -1))
    assert imap.thread(criteria=["UID", "1:3"]) == ((1,), (2,), (3,))
    assert imap.fetch([2], ["BODY[HEADER.FIELDS (SUBJECT X-NUMBER)]"])[2]
    before = imap.folder_status(FOLDER, ["HIGHESTMODSEQ", "MESSAGES"])
    assert imap.add_flags([1, 2], [imapclient.FLAGGED, "seen-by-all"])[2][-1:], "flags are told"
    imap.remove_flags([1], ["seen-by-all"], silent=True)
    changed = imap.search(["MODSEQ", str(before[b"HIGHESTMODSEQ"] + 1)])
    assert list(changed) == [1, 2], changed
    imap.create_folder("Sent")
    imap.copy(range(1, 4), "Sent")
    imap.move(range(4, 7), "Sent")
    assert imap.folder_status("Sent", ["MESSAGES"]) == {b"MESSAGES": 6}
    imap.delete_messages([7, 8])
    imap.uid_expunge([7])
    assert imap.search(["DELETED"]) == [8]
    imap.unselect_folder()
    imap.rename_folder("Sent", "Gesendet/2026")
    assert imap.folder_exists("Gesendet/2026") and not imap.folder_exists("Sent")
    assert imap.namespace().personal == (("", "/"),)
    imap.id_({"name": "IMAPClient", "version": imapclient.__version__})
    imap.select_folder("Gesendet/2026", readonly=True)


def idle(imap):
    """Another session's mail and flags are told at once."""
    imap.select_folder("INBOX")
    imap.idle()
    other = login()
    other.append("INBOX", b"Subject: news\r\n\r\nhere\r\n")
    told = []
    until(imap, told, lambda: (1, b"EXISTS") in told)
    other.select_folder("INBOX")
    other.add_flags([1], ["\\Flagged"], silent=True)
    until(imap, told, lambda: any(line[1] == b"FETCH" and b"\\Flagged" in dict(zip(line[2][::2], line[2][1::2]))[b"FLAGS"] for line in told))
    other.delete_messages([1])
    other.expunge()
    until(imap, told, lambda: (1, b"EXPUNGE") in told)
    other.logout()
    imap.idle_done()


def until(imap, told, done):
    while not done():
        news = imap.idle_check(timeout=20)
        assert news, f"nothing was told for 20 s, after {told}"
        told += news


imap = login()
append_all(imap)
count = fetch_all(imap)
everything_else(imap, count)
idle(imap)
imap.logout()
