//! sendmail's tables with every form that a line can have, and addresses for each way through them.

/// Files of `/etc/mail`, virtusertable first.
pub const TABLES: [(&str, &str); 4] = [
    (
        "virtusertable",
        "joe@yourdomain.com\tjschmoe\nbogus@yourdomain.com\terror:nouser No such user here\nlist@yourdomain.com\tyourdomain-list\n\
         @yourdomain.com\t\t%1@othercompany.com\n# more\nold+*@b.org\tnew+%2@there.example.com\nold@b.org\tOldUser\nplus@b.org\tlocal+%2\n\
         ++@b.org\tpp%3@x.example.com\n+*@b.org\tstar\nfive@b.org\terror:5.7.0:550 Address invalid\ntemp@b.org\terror:tempfail 450 try later\n\
         t4@b.org\terror:4.2.2:452 mailbox full\nun@b.org\terror:unavailable gone\nnh@b.org\terror:nohost nope\nga@b.org\terror:Go away\n\
         nt@b.org\terror:nouser\nerrc@b.org\terror:\nsp@b.org\terror: nouser lead\nup@b.org\tERROR:nouser up\nnc@b.org\terror:5.1.1 text no colon\n\
         ds@b.org\terror:D.S.N:550 x\nn550@b.org\terror:nouser 550 No such user\nerrs@b.org\terror:nouser  two  spaces\n\
         errm@b.org\terror:5.1.1:\"550 quoted text\"\nnum@b.org\terror:67 x y\nerr@b.org\terror\nprog@b.org\t|/bin/cat\nfile@b.org\t/tmp/x\n\
         inc@b.org\t:include:/tmp/inc\ntwo@b.org\ta@x.org, b@y.org\nchain@b.org\tjoe@yourdomain.com\nchain2@b.org\tany@yourdomain.com\n\
         dot@b.org\tFirst.Last@there.example.com.\npct@b.org\ta%%b@there.example.com\nCase@b.org\tMixedCase\nsub@b.org\tx@deep.sub.example.com\n\
         quoted@b.org\t\"a b\"@x.example.com\nat2@b.org\ta@b@c.example.com\nip@b.org\ta@[192.0.2.1]\nem@b.org\t<z@z.example.com>\n\
         fn@b.org\tFull Name <z@z.example.com>\nlp@b.org\tx+y\ncatch@sub.yourdomain.com\t%1+%2@a.example.com\n@sub.yourdomain.com\t%1%3\n\
         trail@b.org\tfoo   \nroute@b.org\t<@a.org:x@b.example.com>\nund@b.org\ta_b-c=d\nmt@b.org\t%1\nquar@b.org\terror:quarantine held here\n",
    ),
    (
        "genericstable",
        "jschmoe\tjoe@yourdomain.com\nann@generic.org\tann.smith@b.org\n@generic.org\t%1@b.org\nrel\tlocalname\nplus+*\tpl+%1@b.org\n\
         old+*@generic.org\tnew+%1@b.org\nold@generic.org\tolder@b.org\n",
    ),
    ("local-host-names", "yourdomain.com\nsub.yourdomain.com\nB.org\n# c\nc.org # x\n"),
    ("generics-domains", "generic.org\n"),
];

/// Keys for `/map virtuser`.
pub const LOOKUPS: [&str; 9] = [
    "joe@yourdomain.com",
    "JOE@yourdomain.com",
    "jane@yourdomain.com",
    "@yourdomain.com",
    "nobody@x.org",
    "pct@b.org",
    "old+*@b.org",
    "bogus@yourdomain.com",
    "trail@b.org",
];

/// What is no key of the table, for `3,0`.
pub const ADDRESSES: [&str; 45] = [
    "some@yourdomain.com",
    "JOE@YOURDOMAIN.COM",
    "x+y@yourdomain.com",
    "joe+y@yourdomain.com",
    "old+x@b.org",
    "old+@b.org",
    "old++@b.org",
    "new+x@b.org",
    "new+@b.org",
    "sam@b.org",
    "sam@c.org",
    "sam",
    "sam+det",
    "joe@mail.example.net",
    "sam@localhost",
    "x@elsewhere.example.org",
    "x+y@elsewhere.example.org",
    "X@Elsewhere.Example.ORG",
    "plus+a+b@b.org",
    "five+x@b.org",
    "mt+a@b.org",
    "q@sub.yourdomain.com",
    "q+r@sub.yourdomain.com",
    "q@deep.sub.yourdomain.com",
    "<joe@yourdomain.com>",
    "Joe Schmoe <joe@yourdomain.com>",
    "\"joe\"@yourdomain.com",
    "\"a b\"@yourdomain.com",
    "a.b@yourdomain.com",
    "a.b@b.org",
    "a@b@b.org",
    "joe@",
    "a@[192.0.2.1]",
    "joe@yourdomain.com.",
    "+x@b.org",
    "+@b.org",
    "a..b@b.org",
    ".a@b.org",
    "a/b@b.org",
    "a=b_c-d@b.org",
    "a&b#c@b.org",
    "user%host.example.com@b.org",
    "user%host.example.com",
    "root@b.org",
    "MAILER-DAEMON@b.org",
];

/// Hosts that exist.
pub const HOSTS: [&str; 19] = [
    "othercompany.com",
    "there.example.com",
    "x.example.com",
    "x.org",
    "y.org",
    "deep.sub.example.com",
    "c.example.com",
    "z.example.com",
    "a.example.com",
    "elsewhere.example.org",
    "a.org",
    "b.example.com",
    "host.example.com",
    "deep.sub.yourdomain.com",
    "yourdomain.com",
    "sub.yourdomain.com",
    "b.org",
    "c.org",
    "generic.org",
];
