"""What a mailbox holds, asked in the plainest way: each message goes to /tmp/got, its flags to /tmp/got.flags."""

import imaplib
import re
import sys
from pathlib import Path

host, password, mailbox = sys.argv[1:]
flag_list = open("/tmp/got.flags", "w")
imap = imaplib.IMAP4(host, timeout=30)
imap.login("joe", password)
status, [count] = imap.select(mailbox, readonly=True)
assert status == "OK", count
for number in range(1, int(count) + 1):
    status, parts = imap.fetch(str(number), "(UID FLAGS BODY.PEEK[])")
    told = b"".join(part[0] if isinstance(part, tuple) else part for part in parts)
    uid = re.search(rb"UID (\d+)", told)[1].decode()
    flags = re.search(rb"FLAGS \(([^)]*)\)", told)[1].decode()
    Path("/tmp/got", uid).write_bytes(parts[0][1])
    print(uid, flags, file=flag_list)
imap.logout()
