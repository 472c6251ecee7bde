//! LOGIN and AUTHENTICATE (RFC 9051 §6.2.2, §6.2.3; RFC 4959, RFC 4616).

use zeroize::Zeroizing;

use super::frame::Limits;
use super::reply::{self, Refusal, Reply};
use super::session::Session;
use super::state::User;
use super::table::Order;
use crate::login::{self, Account, Denied};
use crate::store::{self, Namespace};
use crate::vdomain::password::Secret;
use crate::wire::Line;

impl Session<'_> {
    pub(super) async fn login(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        let args = &mut order.args;
        args.space()?;
        let name = args.astring()?;
        args.space()?;
        let password = Zeroizing::new(args.astring()?.into_owned());
        args.end()?;
        self.want_passwords()?;
        let name = str::from_utf8(&name).map_err(|_| Refusal::Bad("names of users are UTF-8"))?;
        let Some(secret) = Secret::new(password) else { return Err(Refusal::no(reply::denial(Denied::Credentials))) };
        self.log_in(name, secret).await
    }

    pub(super) async fn authenticate(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        let args = &mut order.args;
        args.space()?;
        let mechanism = args.atom()?;
        let initial = if args.is_at_end() {
            None
        } else {
            args.space()?;
            Some(Zeroizing::new(args.run(|octet| octet.is_ascii_graphic()).to_vec()))
        };
        args.end()?;
        if !mechanism.eq_ignore_ascii_case("PLAIN") {
            return Err(Refusal::no("[CANNOT] mechanism not known here; there is PLAIN"));
        }
        self.want_passwords()?;
        let response = match initial {
            // RFC 4959 §3: an empty response.
            Some(initial) if *initial == b"=" => Zeroizing::default(),
            Some(initial) => initial,
            None => self.response().await?,
        };
        if *response == b"*" {
            return Err(Refusal::Bad("cancelled"));
        }
        let presented = login::plain(&response).ok().and_then(|(name, password)| Some((name, Secret::new(password)?)));
        let Some((name, secret)) = presented else { return Err(Refusal::Bad("not a PLAIN message")) };
        self.log_in(&name, secret).await
    }

    /// What the client says when it is asked for more.
    async fn response(&mut self) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        self.say(&["+ "]);
        self.doing = "reading a SASL response";
        match self.wire.line().await? {
            Line::Whole(line) => Ok(Zeroizing::new(line.to_vec())),
            Line::TooLong => Err(Refusal::Bad("[TOOBIG] response too long")),
        }
    }

    fn want_passwords(&self) -> Result<(), Refusal> {
        if self.visit.allows_passwords(&self.wire) { Ok(()) } else { Err(Refusal::no(reply::denial(Denied::NeedsTls))) }
    }

    async fn log_in(&mut self, name: &str, secret: Secret) -> Result<Reply, Refusal> {
        self.doing = "logging in";
        let account =
            self.visit.log_in(name, secret, self.wire.is_secure()).await.map_err(|denial| Refusal::no(reply::denial(denial.told)))?;
        self.admit(account).await;
        let capabilities = self.capabilities();
        Reply::ok(format!("[CAPABILITY {capabilities}] logged in"))
    }

    async fn admit(&mut self, account: Account) {
        let place = store::Account::of(&account.domain, account.owner.user(), &account.known);
        let (namespace, allowance) = (Namespace::of(&place), place.allowance);
        let home = self.visit.house.store.home(place);
        if let Err(trouble) = store::welcome(&home, &account.domain.record.folders.create).await {
            // The mail that is there can be read all the same.
            tracing::warn!(event = "welcome", proto = "imap", user = %account.owner, error = %trouble, doing = "making the first folders");
        }
        self.visit.decision.why = account.why;
        self.served = Some(account.owner);
        self.visit.tries = 0;
        self.framer.limit(Limits::USER);
        self.user = Some(Box::new(User { domain: account.domain, home, namespace, allowance, selected: None }));
        self.be_patient();
    }
}
