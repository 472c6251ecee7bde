PUSHDIVERT(-1)
#
# The mailer of vmail's domains: copy this to /usr/share/sendmail/cf/mailer/vdeliver.m4, and say MAILER(`vdeliver') behind MAILER(`smtp'),
# whose rules for addresses it shares. vdeliver.mc has all lines that sendmail.mc needs.
#
# Flags: headers that are missing are added (D F M), no From_ line (n), upper case stays (h u), eight bits stay (8), and vdeliver runs as
# root (S), for each mailbox may have an owner of its own; it becomes vmail as soon as it can. No m: one recipient at a time, since there
# is one exit code, and it must not speak for another recipient. No P: vdeliver writes Return-Path itself.
#
ifdef(`VDELIVER_MAILER_PATH',, `define(`VDELIVER_MAILER_PATH', `/usr/sbin/vdeliver')')
ifdef(`VDELIVER_MAILER_ARGS',, `define(`VDELIVER_MAILER_ARGS', `vdeliver -f $g -- $u')')
ifdef(`VDELIVER_DOMAIN_FILE',, `define(`VDELIVER_DOMAIN_FILE', `/etc/mail/vmail-domains')')

POPDIVERT
PUSHDIVERT(6)dnl
# the domains of vmail
F{VmailDomains}VDELIVER_DOMAIN_FILE
POPDIVERT
PUSHDIVERT(3)dnl
# mail for the domains of vmail
R$+ < @ $={VmailDomains} . >	$#vdeliver $@ $2 $: $1 < @ $2 . >
R$+ < @ $={VmailDomains} >	$#vdeliver $@ $2 $: $1 < @ $2 . >
POPDIVERT

#########################################
###   vmail Mailer specification      ###
#########################################

Mvdeliver,	P=VDELIVER_MAILER_PATH, F=DFMnhu8S, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP/HdrFromSMTP, E=\n,
		T=DNS/RFC822/X-Unix, U=root:root, A=VDELIVER_MAILER_ARGS
