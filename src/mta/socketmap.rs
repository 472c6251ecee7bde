//! The socketmap protocol (Postfix's socketmap_table(5), sendmail's `socket` maps): a netstring `MAP KEY` each way.

use super::End;
use super::lookup::{Answer, Map, look_up};
use super::netstring::{self, Read};
use crate::house::House;
use crate::wire::{Lost, Wire};

/// Answers look-ups until the client goes. Answers leave together where requests came together.
pub async fn serve(wire: &mut Wire, house: &House, requests: &mut u64) -> Result<End, Lost> {
    let mut held: Vec<u8> = Vec::new();
    loop {
        match netstring::read(&held) {
            Read::Malformed => return Ok(End::Refused),
            Read::Short => {
                if held.is_empty() {
                    // A client that is silent owns no memory.
                    held = Vec::new();
                }
                hear(wire, &mut held).await?;
            }
            Read::Whole { octets, used } => {
                let reply = reply(octets, house);
                held.drain(..used);
                netstring::write(wire.output(), &reply);
                *requests += 1;
                wire.flush_if_full().await?;
            }
        }
    }
}

async fn hear(wire: &mut Wire, held: &mut Vec<u8>) -> Result<(), Lost> {
    wire.more().await?;
    let fits = wire.unread().len().min(netstring::LONGEST_FRAMED - held.len());
    held.extend_from_slice(&wire.unread()[..fits]);
    wire.used(fits);
    Ok(())
}

fn reply(request: &[u8], house: &House) -> String {
    let text = String::from_utf8_lossy(request);
    let (name, key) = text.split_once(' ').unwrap_or((&text, ""));
    let Some(map) = Map::named(name) else { return "PERM there is no such map".to_owned() };
    match look_up(map, key, &*house.names, &house.maps) {
        Answer::Found(value) => format!("OK {value}"),
        // Both want the blank.
        Answer::NotFound => "NOTFOUND ".to_owned(),
        Answer::Later(why) => format!("TEMP {why}"),
    }
}
