dnl For sendmail.mc, where vmail has the virtual domains: maps that vmail serve answers from its domains, users and aliases as they are
dnl now. Rules look up in them like $(virtual_mailbox_maps $1 $); `sendmail -bt` tries them: /map virtual_mailbox_maps joe@va.foo.com
LOCAL_CONFIG
Kvirtual_mailbox_domains socket local:/run/vmail/socketmap
Kvirtual_mailbox_maps socket -T<TMPF> local:/run/vmail/socketmap
Kvirtual_alias_maps socket -T<TMPF> local:/run/vmail/socketmap
