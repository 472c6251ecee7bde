-- Copies a mailbox to another server with its flags, then sorts the copy a little and puts everything back.

local way = os.getenv('WAY')
options.certificates = false
options.starttls = way == 'StartTls'
options.create = true
options.subscribe = true
options.timeout = 30

local function account(server, password)
    return IMAP {
        server = server, username = 'joe', password = password,
        port = way == 'Tls' and 993 or 143, ssl = way == 'Tls' and 'auto' or nil,
    }
end

local here = account(os.getenv('HERE'), os.getenv('FIRST'))
local there = account(os.getenv('THERE'), os.getenv('SECOND'))
local target = there[os.getenv('TARGET')]

local all = here.INBOX:select_all()
all:copy_messages(target)
local count, recent, unseen = target:check_status()
assert(count == #all and count == 200, count)

local flagged = target:is_flagged()
local some = flagged + target:contain_subject('message 17') * target:is_unflagged()
assert(#some > #flagged)
assert(#(target:match_header('^X-Number: va-02.-')) == 0 and #(target:match_field('X-Number', '^va-02.-')) == 10)
some:add_flags({ 'work' })
assert(#(target:has_keyword('work')) == #some)
some:remove_flags({ 'work' })

there:create_mailbox('Beiseite')
target:is_larger(100000):move_messages(there['Beiseite'])
assert(#(there['Beiseite']:select_all()) == 12 and #(target:select_all()) == 188)
there['Beiseite']:select_all():move_messages(target)
there:delete_mailbox('Beiseite')
local boxes = there:list_all('Kopien')
assert(#boxes >= 1, #boxes)
