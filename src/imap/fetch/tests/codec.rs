//! imap-codec as the judge: what we say is what it reads.

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use imap_codec::imap_types::IntoStatic;
use imap_codec::imap_types::core::NString8;
use imap_codec::imap_types::fetch::MessageDataItem;
use imap_codec::imap_types::response::{Data, Response};

use super::client::Client;
use super::samples::{samples, wire};

fn items(said: &[u8], name: &str) -> Vec<MessageDataItem<'static>> {
    let line = &said[..said.windows(2).rposition(|pair| pair == b"\r\n").unwrap() + 2];
    match ResponseCodec::default().decode(line) {
        Ok((b"", Response::Data(Data::Fetch { items, .. }))) => items.into_iter().map(|item| item.into_static()).collect(),
        other => panic!("{name}: {other:?} of {}", line.escape_ascii()),
    }
}

#[tokio::test]
async fn every_sample_is_read_as_it_was_meant() {
    const ASKED: &str = "1 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE MODSEQ BODY.PEEK[] RFC822.HEADER RFC822.TEXT \
        BODY.PEEK[HEADER.FIELDS (Subject \"x y\")] BODY.PEEK[1.MIME] BODY.PEEK[9.9] BODY.PEEK[TEXT]<1.7> BINARY.PEEK[] BINARY.SIZE[1])";
    for (name, message) in samples() {
        let said = Client::with(&[&message]).await.octets("FETCH", ASKED).await;
        if said.windows(11).any(|words| words == b"UNKNOWN-CTE") {
            continue;
        }
        let wire = wire(&message);
        let found = items(&said, &name);
        assert_eq!(found.len(), 15, "{name}");
        assert!(matches!(&found[0], MessageDataItem::Uid(uid) if uid.get() == 1));
        assert!(matches!(&found[1], MessageDataItem::Flags(flags) if flags.len() == 1), "RFC822.TEXT is no peek");
        assert!(matches!(&found[2], MessageDataItem::InternalDate(date) if date.as_ref().timestamp() == 1_000_000_000));
        assert!(matches!(&found[3], MessageDataItem::Rfc822Size(size) if *size as usize == wire.len()));
        assert!(matches!(&found[4], MessageDataItem::Envelope(_)) && matches!(&found[5], MessageDataItem::ModSeq(_)));
        let MessageDataItem::BodyExt { section: None, origin: None, data } = &found[6] else { panic!("{name}") };
        assert!(data.0.as_ref().is_some_and(|data| data.as_ref() == wire), "{name}");
        let (MessageDataItem::Rfc822Header(header), MessageDataItem::Rfc822Text(text)) = (&found[7], &found[8]) else { panic!("{name}") };
        let halves = [header, text].map(|half| half.0.as_ref().unwrap().as_ref().to_vec()).concat();
        assert!(halves == wire, "{name}");
        assert!(matches!(&found[11], MessageDataItem::BodyExt { data, .. } if data.0.is_none()));
        assert!(matches!(&found[12], MessageDataItem::BodyExt { origin: Some(1), .. }));
        assert!(
            matches!(&found[13], MessageDataItem::Binary { value: NString8::NString(value), .. } if value.0.is_some())
                || wire.contains(&0x80),
            "{name}"
        );
        assert!(matches!(&found[14], MessageDataItem::BinarySize { .. }));
    }
}

#[tokio::test]
async fn structures_are_read_as_far_as_it_looks_into_them() {
    let mut read = 0;
    for (name, message) in samples() {
        // It does not look deeper than eight levels, and knows nothing of RFC 6532.
        if name.contains("deep") || name.contains("global") {
            continue;
        }
        let said = Client::with(&[&message]).await.octets("FETCH", "1 (BODY BODYSTRUCTURE)").await;
        assert!(matches!(items(&said, &name)[..], [MessageDataItem::Body(_), MessageDataItem::BodyStructure(_)]), "{name}");
        read += 1;
    }
    assert!(read >= 40);
}
