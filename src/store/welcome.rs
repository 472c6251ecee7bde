//! The folders that a user has from the start.

use super::name::FolderName;
use super::{Home, Trouble};
use crate::config::SpecialUse;

/// Makes and subscribes the folders `wanted` in a home that nobody has used, and subscribes INBOX: to be called at each IMAP login. A
/// home in which INBOX is subscribed has been welcomed, and one with other folders or subscriptions has a user with ways of his own; in
/// both nothing happens, so that what a user deletes stays away. What a crash interrupted goes on at the next login.
///
/// # Errors
/// The home can't be read or written; also when it is full.
pub async fn welcome(home: &impl Home, wanted: &[SpecialUse]) -> Result<(), Trouble> {
    if wanted.is_empty() {
        return Ok(());
    }
    let wanted: Vec<(SpecialUse, FolderName)> = wanted
        .iter()
        .map(|&special| Ok((special, FolderName::of([special.name()])?)))
        .collect::<Result<_, _>>()
        .map_err(Trouble::BadName)?;
    let is_known = |name: &FolderName| wanted.iter().any(|(_, known)| known == name);
    if home.list().await?.iter().any(|line| if line.name.is_inbox() { line.subscribed } else { !is_known(&line.name) }) {
        return Ok(());
    }
    for (special, name) in &wanted {
        match home.create(name, Some(*special)).await {
            Ok(_) | Err(Trouble::Exists) => home.subscribe(name, true).await?,
            Err(trouble) => return Err(trouble),
        }
    }
    // Last: it says that all is done.
    home.subscribe(&FolderName::inbox(), true).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryHome;

    const WANTED: [SpecialUse; 2] = [SpecialUse::Drafts, SpecialUse::Sent];

    async fn lines(home: &impl Home) -> Vec<(String, bool, Option<SpecialUse>)> {
        let line = |line: &crate::store::Listed| (line.name.display('/').to_string(), line.subscribed, line.special);
        home.list().await.unwrap().iter().map(line).collect()
    }

    fn name(text: &str) -> FolderName {
        FolderName::parse(text, '/').unwrap()
    }

    fn all() -> Vec<(String, bool, Option<SpecialUse>)> {
        let line = |name: &str, special| (name.to_owned(), true, special);
        vec![line("INBOX", None), line("Drafts", Some(SpecialUse::Drafts)), line("Sent", Some(SpecialUse::Sent))]
    }

    #[tokio::test]
    async fn folders_are_made_and_subscribed_once() {
        let home = MemoryHome::new();
        welcome(&home, &WANTED).await.unwrap();
        assert_eq!(lines(&home).await, all());
        home.delete(&name("Sent")).await.unwrap();
        home.subscribe(&name("Sent"), false).await.unwrap();
        welcome(&home, &WANTED).await.unwrap();
        assert!(!lines(&home).await.iter().any(|line| line.0 == "Sent"), "who deletes a folder does not want it");
    }

    #[tokio::test]
    async fn who_has_folders_is_left_alone() {
        let home = MemoryHome::new();
        home.create(&name("Lists/Rust"), None).await.unwrap();
        welcome(&home, &WANTED).await.unwrap();
        assert_eq!(lines(&home).await.len(), 3, "INBOX, Lists and what is below it");
    }

    #[tokio::test]
    async fn nothing_wanted_changes_nothing() {
        let home = MemoryHome::new();
        welcome(&home, &[]).await.unwrap();
        assert_eq!(lines(&home).await, [("INBOX".to_owned(), false, None)]);
    }

    #[tokio::test]
    async fn what_was_interrupted_goes_on() {
        let home = MemoryHome::new();
        home.create(&name("Drafts"), Some(SpecialUse::Drafts)).await.unwrap();
        welcome(&home, &WANTED).await.unwrap();
        assert_eq!(lines(&home).await, all());
    }
}
