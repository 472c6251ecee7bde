//! The AUTHORIZATION state (RFC 1939 §4): who is it, and is the maildrop free?

use zeroize::Zeroizing;

use super::capability::State;
use super::command::{BadCommand, Command};
use super::maildrop::Maildrop;
use super::reply;
use super::session::Session;
use crate::login::{self, Denied};
use crate::vdomain::password::Secret;
use crate::wire::{Line, Lost};

/// How the AUTHORIZATION state ends.
pub(super) enum Authorised {
    /// Somebody has logged in.
    In(Box<Maildrop>),
    /// The client said QUIT.
    Left,
    /// Too many failures.
    Refused,
}

/// No client makes so many mistakes; whatever does speaks something else.
const MOST_BAD_LINES: u32 = 25;
const LEGAL: &str = "USER, PASS, AUTH, CAPA, STLS, UTF8, LANG, QUIT";

impl Session<'_> {
    /// Until somebody has logged in.
    pub(super) async fn authorise(&mut self) -> Result<Authorised, Lost> {
        let mut user = None;
        let mut bad_lines = 0;
        loop {
            self.wire.flush_if_full().await?;
            if self.visit.began.elapsed() > self.visit.house.machine.pop3.idle.0 {
                // Whoever only talks does not keep others out for ever.
                return Err(Lost::Idle);
            }
            let asked = match self.command().await? {
                Err(bad) => {
                    self.refuse_line(bad, LEGAL);
                    bad_lines += 1;
                    if bad_lines >= MOST_BAD_LINES {
                        return Ok(Authorised::Refused);
                    }
                    continue;
                }
                Ok(Command::Quit) => {
                    self.goodbye();
                    return Ok(Authorised::Left);
                }
                Ok(Command::User(name)) => {
                    self.take_user(name, &mut user);
                    continue;
                }
                Ok(Command::Pass(secret)) => match user.take() {
                    // RFC 1939 §7: a failed PASS goes back to USER.
                    Some(name) => Some((name, secret)),
                    None => {
                        self.refuse_line(BadCommand::Unknown, "USER, QUIT");
                        continue;
                    }
                },
                Ok(Command::Auth(mechanism)) => self.sasl(mechanism).await?,
                Ok(Command::Stls) => {
                    self.start_tls(&mut user).await?;
                    continue;
                }
                Ok(command) => {
                    self.prepare(command);
                    continue;
                }
            };
            let Some((name, secret)) = asked else { continue };
            match self.log_in(&name, secret).await {
                Ok(maildrop) => return Ok(Authorised::In(maildrop)),
                Err(text) => self.err(text),
            }
            if self.visit.has_tried_enough() {
                return Ok(Authorised::Refused);
            }
        }
    }

    /// Not RFC 1939 §7's other choice: unknown names are accepted like known ones, so that nobody can probe for users.
    fn take_user(&mut self, name: String, user: &mut Option<String>) {
        if !self.visit.allows_passwords(&self.wire) {
            return self.err(reply::denial(Denied::NeedsTls));
        }
        *user = Some(name);
        self.ok("please send PASS command");
    }

    /// What can be asked before a login and does not log in.
    fn prepare(&mut self, command: Command) {
        match command {
            Command::Capa => {
                let domain = self.visit.dialled().cloned();
                self.capabilities(domain.as_ref().map(|domain| &domain.record), State::Authorization);
            }
            Command::Utf8 => {
                self.is_utf8 = true;
                self.ok("UTF8 enabled");
            }
            Command::Lang(tag) => self.lang(tag.as_deref()),
            Command::Apop => self.err("APOP would need passwords stored in clear text; use USER or AUTH"),
            _ => self.refuse_line(BadCommand::Unknown, LEGAL),
        }
    }

    /// RFC 2595 §4.
    async fn start_tls(&mut self, user: &mut Option<String>) -> Result<(), Lost> {
        if self.is_utf8 {
            // RFC 6856 §2: a client does not begin TLS in UTF8 mode.
            self.err("UTF8 comes after STLS");
            return Ok(());
        }
        if !self.visit.offers_tls(&self.wire) {
            self.err("TLS is not available here");
            return Ok(());
        }
        self.ok("Begin TLS negotiation");
        self.doing = "negotiating TLS";
        self.visit.call.sni = self.wire.start_tls(&*self.visit.house.tls, self.visit.call.local).await?;
        // What was said in the clear may be somebody else's.
        *user = None;
        self.visit.identify_anew();
        Ok(())
    }

    /// RFC 6856 §3. We speak one language.
    pub(super) fn lang(&mut self, tag: Option<&str>) {
        match tag {
            None => {
                self.ok("Language listing follows:");
                self.line("en English");
                self.end_of_lines();
            }
            Some(tag) if tag == "*" || tag.split('-').next().is_some_and(|tag| tag.eq_ignore_ascii_case("en")) => {
                self.ok("en English it is")
            }
            Some(_) => self.err("Language not known here; LANG lists those that are"),
        }
    }

    /// RFC 5034 §4: PLAIN, with or without an initial response.
    async fn sasl(&mut self, asked: Option<(String, Option<Zeroizing<Vec<u8>>>)>) -> Result<Option<(String, Secret)>, Lost> {
        let Some((mechanism, response)) = asked else {
            // RFC 1734's clients ask this way which mechanisms there are.
            self.ok("Mechanisms follow");
            if self.visit.allows_passwords(&self.wire) {
                self.line("PLAIN");
            }
            self.end_of_lines();
            return Ok(None);
        };
        if mechanism != "PLAIN" {
            self.err("Mechanism not known here; there is PLAIN");
            return Ok(None);
        }
        if !self.visit.allows_passwords(&self.wire) {
            self.err(reply::denial(Denied::NeedsTls));
            return Ok(None);
        }
        let response = match response {
            Some(response) => response,
            None => {
                self.say(&["+ \r\n"]);
                self.doing = "reading a SASL response";
                match self.wire.line().await? {
                    Line::Whole(line) => Zeroizing::new(line.to_vec()),
                    Line::TooLong => Zeroizing::default(),
                }
            }
        };
        if *response == b"*" {
            self.err("Cancelled");
            return Ok(None);
        }
        let presented = login::plain(&response).ok().and_then(|(name, password)| Some((name, Secret::new(password)?)));
        if presented.is_none() {
            self.err("Not a PLAIN message");
        }
        Ok(presented)
    }

    /// Checks name and password, then opens the maildrop. The error is what the client is told.
    async fn log_in(&mut self, name: &str, secret: Secret) -> Result<Box<Maildrop>, &'static str> {
        self.doing = "logging in";
        let account = self.visit.log_in(name, secret, self.wire.is_secure()).await.map_err(|denial| reply::denial(denial.told))?;
        let delay = Maildrop::login_delay(&account);
        if !self.visit.house.login_delay.admits(&account.owner, delay) {
            return Err("[LOGIN-DELAY] you have been here just now, please wait a little");
        }
        self.doing = "opening the maildrop";
        let (owner, why) = (account.owner.clone(), account.why);
        match Maildrop::open(&self.visit.house.store, account).await {
            Ok(maildrop) => {
                if let Err(error) = self.visit.house.login_delay.note(&owner, delay) {
                    // Better no delay than no mail.
                    tracing::warn!(event = "login-delay", user = %owner, %error);
                }
                self.visit.decision.why = why;
                let (messages, octets) = maildrop.totals();
                self.ok(&format!("{messages} messages ready for {} ({octets} octets)", owner.user()));
                self.user = Some(owner);
                Ok(Box::new(maildrop))
            }
            Err(trouble) => {
                tracing::warn!(event = "maildrop", proto = "pop3", user = %owner, peer = %self.visit.call.peer, error = %trouble, doing = self.doing);
                Err(reply::trouble(&trouble))
            }
        }
    }
}
