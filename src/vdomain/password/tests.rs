//! Hashes that other programs wrote, and ours under their eyes.

use std::process::{Command, Stdio};

use super::*;

/// Written by mkpasswd 5.5.17, openssl 3.0, perl's crypt and Debian's argon2: each method, and its costs where it has some.
const ASCII: (&str, &[&str]) = (
    "correct horse",
    &[
        "aJCRwu0xsnKos",
        "_J9..DmZkvClE5N7lQRs",
        "$1$G449S6Ya$HmDO0mSL6YlkHofkbpVUh.",
        "$1$8Lp.YuTe$i5D0rWZyN5vaLvTQ5WhY6/",
        "$2a$05$Kjqo.ZGslEbid0lnZvGnMemrYhVH4XJq7gHNl/hFNrOJ6ZbM1yq6e",
        "$2b$05$7SrKm0XUXnXepYshb5l2UueoZlMcY2KXiRfKAjipAbMmnPtfj1LoG",
        "$2y$05$Kjqo.ZGslEbid0lnZvGnMemrYhVH4XJq7gHNl/hFNrOJ6ZbM1yq6e",
        "$3$$cfc43211ba8dc470832267827cac1407",
        "$5$S/HFCcgzE9V1nlHT$37ogVfDp8b9b8z6LX37p4NU2kVA8HWfgpL9o5qC53D9",
        "$5$RQg6p5rUtuhawAlY$ZRna1MbIhT7T2f14LqMBRnQFc90/m7sGWGz48/1upT1",
        "$5$rounds=1000$ai9hJE5KNyl37Dhg$27TFV1OvA5ger1mZc8rruAqpHRNfIPKp09TPbNwZ/O3",
        "$6$wv0ZFipl9EqDKYVw$D5ECxKkQ2hcoXZFZlpccUhs3ab/iYwffGMKYeu5xJdQ9cu13.xoeJpi36NCU1ReMMiULNY5q84z6aiQWCwmOG0",
        "$6$mNpbr5g0ecVAlRtt$/91epMWECvQBibrp3vrWwUP0ImMyt6b1MJTrYAXtgq1p2ZO7kd2XUKqw.MoJT1USm0HdJNLaX6GvGxczMeuCk/",
        "$6$rounds=1000$tUhPZ0EWQmfaItQS$QmXl3li2ZFZ7s1iKzfhcELUqsz80Tvo/sfpksC73AW/I9X24eIH/WU0NYxsTkE2AxkWURs0ns/txCWyw13Puh1",
        "$7$BU..../....AJcuOk5/bXWZE/kn6qDpQ0$QyViBcia9Clwk/Wi4i8y29mPOw4IMQe.zYWR0WYXZK8",
        "$y$j75$SyvP5OTJagT0Kh6SPcJr2.$VEmjD.DYx9N.yvbiCl5WNy.6LcYoZ0kheenXyPkCne.",
        "$y$j9T$7YsX6i51dQJObZeN9sLoK.$Z6Go1jjUjiyvTG7ZdPMBg6qI1HiPD81vyDQ8aq9Ddw3",
        "$gy$j9T$52xWVd55r9zkMjF4m5CJA1$fgbO3APxc28y47PCP/Mh8FlsOHw.7gQmnUNS5N.Ur02",
        "$sha1$1000$saltsalt$ouns5uP5ckp8yJ3a80IEZtEDXjoB",
        "$md5,rounds=83172$/SUNB90P$$QxHBfNYX6NkTNVI5YqiLh1",
        "$argon2i$v=19$m=256,t=2,p=2$c2FsdHNhbHQ$j3cgjs63M/Hfi4xIFL2b6DM9TCMq9E/cil232Qjmrwc",
        "$argon2d$v=19$m=256,t=2,p=2$c2FsdHNhbHQ$lmFwEXfmhpWWJpdT+ZpzrSKR2cAtNVUWKIHGaxS+SFM",
        "$argon2id$v=19$m=256,t=2,p=2$c2FsdHNhbHQ$yWWF01rDif7q0E03DEL7qJGeH9fdOPOw+48bBtXF+QE",
        "$argon2id$v=16$m=256,t=2,p=1$c2FsdHNhbHQ$Q09WRzAtM2HPxbWK89cofIccMsRhgUX4lhiSefNaUeY",
    ],
);

/// The same programs, in UTF-8.
const BEYOND_ASCII: (&str, &[&str]) = (
    "Grüße, Jörg",
    &[
        "OM9PHzUEsIORY",
        "_J9..sgO4kbu2wkYv22k",
        "$1$KWtqKWVE$8XnVJ/LBmYyJY.XE09GUf.",
        "$1$QBcig6DI$y9Zx55RyfgDmoVtY3lf.m.",
        "$2a$05$nxwR46/a4c4L2O8rY5YEh.Rs5bsY1sWkrW5tTq1adrrVVOv465TYe",
        "$2b$05$j48fnfvDTobGmrLwCfnX0.LPFyjGFyqQ9gB3A1AvZ4p9eNRFKSVcq",
        "$2y$05$Kjqo.ZGslEbid0lnZvGnMett1U9/oXtwDMTnnwuKEC7Hg7oqqEsay",
        "$3$$ba6604957942c840d53073ce1d7e9ba3",
        "$5$7viimJAPfb2pF0BV$Y1d4A4PpHlIqRIA4cPH1.2pPfIxmfKEdJh15h7dGtH6",
        "$5$rounds=1000$uMI9Eng/gyiBzrv0$1SDu000rz0wxDdyIuf4rO8V7SB8bDLjun1R6VfDsXI2",
        "$6$V3F7jJhKhO6KN7yq$kNVi.m4S5KiHrT.Nr.hs1sfLPhu4F2Ehcm4prQCLZwHNZA2R8hkM9QWDXTIARyzpuMxlAe7118AQYbxZjsCN60",
        "$6$5RbGarcvMU0/SqbF$aqZDQTNQqVek/loTEUIeX/Ct81.rimotQtqSLZTprfcYvBrlQUp9NvlNjIfoqmuWLSX9ovp0HINgCOeVvfr9U.",
        "$6$rounds=1000$6DfmR.ZK8eDha1p1$AXx59AMZ26Ix7MKD9KBKHJ2nVIsnBLMfFRHxYS/1YnQy3BiPgi5anx.gcTnZPLXwGR7OZ710AxHcGb.rDD5pL1",
        "$7$BU..../....OgdR.LVbGegTNxV/7t/C10$VQ9eAr4uxlLGO3pj.RsrmtMHem7mc3O9j/nBJ.s5pz.",
        "$y$j75$WCr674hKRrU2NEn2wY2Gx.$ne/iZxaeJ.e87fEs0xLIx3VO1rDcIuVdtMVB.1OCoV3",
        "$gy$j9T$nVeHGtas6WDRlIE64ctEP.$uulmJF4xEDSbzqrR5dPjB5Czg9hRPZHDjwAhonjIdc.",
        "$sha1$1000$saltsalt$Qh45f9owYvxmvbDjac5N4EdnQ60j",
        "$md5,rounds=93841$zg/PWKYi$$pewciU6fN8mDceShiikxo.",
        "$argon2i$v=19$m=256,t=2,p=2$c2FsdHNhbHQ$QeIgQoJM1oxfLrrlhArrSA0DHlCsP/bXftUojLOAcEc",
        "$argon2d$v=19$m=256,t=2,p=2$c2FsdHNhbHQ$wxHOg1cUM76LOYs2NVH+GNfmllxF5Nsczzw5ddKbiSI",
        "$argon2id$v=19$m=256,t=2,p=2$c2FsdHNhbHQ$eTOzVVUv2DQnpy5CLfqC4R42Yj987lqtNkoDVYLH+FY",
        "$argon2id$v=16$m=256,t=2,p=1$c2FsdHNhbHQ$MDgzHa13761l5gOyENide8jhqUPSz/lB4k/N++Bi2ZY",
    ],
);

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec()).unwrap()
}

fn vectors() -> impl Iterator<Item = (&'static str, &'static str)> {
    [ASCII, BEYOND_ASCII].into_iter().flat_map(|(password, hashes)| hashes.iter().map(move |hash| (password, *hash)))
}

#[test]
fn every_historical_hash_opens_to_its_password_and_to_no_other() {
    for (password, hash) in vectors() {
        assert!(is_usable(hash), "{hash}");
        assert!(verify(hash, &secret(password)), "{hash}");
        assert!(!verify(hash, &secret("Correct horse")), "{hash}");
        assert!(!verify(hash, &secret("")), "{hash}");
    }
}

#[test]
fn a_hash_cut_anywhere_opens_to_nobody() {
    for (password, hash) in vectors() {
        for length in 0..hash.len() {
            assert!(!verify(&hash[..length], &secret(password)), "{}", &hash[..length]);
        }
        assert!(!verify(&format!("{hash}."), &secret(password)), "{hash}.");
        assert!(!verify(&format!("{hash} "), &secret(password)), "{hash} with a blank");
    }
}

#[test]
fn a_hash_changed_anywhere_in_its_digest_opens_to_nobody() {
    for (password, hash) in vectors() {
        let digest = hash.rfind('$').map_or(0, |dollar| dollar + 1);
        let step = if ["$7", "$gy", "$md5"].iter().any(|slow| hash.starts_with(slow)) { 21 } else { 3 };
        for at in (digest..hash.len()).step_by(step).chain([hash.len() - 1]) {
            let letter = if &hash[at..=at] == "b" { "c" } else { "b" };
            let changed = format!("{}{letter}{}", &hash[..at], &hash[at + 1..]);
            assert!(!verify(&changed, &secret(password)), "{changed}");
        }
    }
}

#[test]
fn locked_empty_and_unknown_fields_open_to_nobody() {
    for stored in
        ["", "!", "!!", "*", "*LK*", "x", "*0", "*1", "!*", "$", "$$", "$6$", "$99$salt$digest", "$argon2id$", "correct horse", "ü"]
    {
        assert!(!is_usable(stored), "{stored:?}");
        assert!(!verify(stored, &secret("correct horse")), "{stored:?}");
    }
    for (password, hash) in vectors() {
        for lock in ["!", "*"] {
            assert!(!verify(&format!("{lock}{hash}"), &secret(password)), "{lock}{hash}");
        }
    }
}

#[test]
fn every_scheme_writes_what_verify_reads_with_a_fresh_salt() {
    for (scheme, prefix) in [(Scheme::Argon2id, "$argon2id$v=19$m=19456,t=2,p=1$"), (Scheme::Yescrypt, "$y$"), (Scheme::Sha512, "$6$")] {
        let stored = hash(scheme, &secret("correct horse")).unwrap();
        assert!(stored.starts_with(prefix), "{stored}");
        assert!(verify(&stored, &secret("correct horse")), "{stored}");
        assert!(!verify(&stored, &secret("correct hors")), "{stored}");
        assert_ne!(stored, hash(scheme, &secret("correct horse")).unwrap());
    }
}

#[test]
fn it_does_not_matter_how_a_keyboard_composes_an_accent() {
    let (composed, decomposed) = ("J\u{f6}rg", "Jo\u{308}rg");
    for typed in [composed, decomposed] {
        let stored = hash(Scheme::Sha512, &secret(typed)).unwrap();
        assert!(verify(&stored, &secret(composed)) && verify(&stored, &secret(decomposed)));
        assert!(!verify(&stored, &secret("Jorg")));
    }
}

#[test]
fn octets_that_are_no_text_are_a_password_too() {
    let latin = Secret::new(b"J\xf6rg\x07".to_vec()).unwrap();
    assert!(verify(&hash(Scheme::Sha512, &latin).unwrap(), &latin));
}

#[test]
fn what_a_scheme_cannot_hash_is_refused() {
    assert!(hash(Scheme::Argon2id, &secret("")).is_err());
    assert!(hash(Scheme::Sha512, &secret("a\0b")).is_err());
    assert!(hash(Scheme::Yescrypt, &secret(&"a".repeat(512))).is_err());
    assert!(!verify("$1$G449S6Ya$HmDO0mSL6YlkHofkbpVUh.", &secret("correct horse\0")));
}

#[test]
fn a_secret_has_a_limit_and_shows_nothing() {
    assert!(Secret::new(vec![b'a'; Secret::LIMIT]).is_some());
    assert!(Secret::new(vec![b'a'; Secret::LIMIT + 1]).is_none());
    assert_eq!(format!("{:?}", secret("correct horse")), "Secret");
}

#[test]
fn other_programs_read_our_hashes_and_we_read_theirs() {
    let password = "Grüße, Jörg";
    for scheme in [Scheme::Yescrypt, Scheme::Sha512] {
        let ours = hash(scheme, &secret(password)).unwrap();
        if let Some(again) = output("perl", &["-e", "print crypt($ARGV[0], $ARGV[1])", password, &ours]) {
            assert_eq!(again, ours);
        }
    }
    for method in ["yescrypt", "sha512crypt", "sha256crypt", "bcrypt", "md5crypt", "bsdicrypt", "descrypt"] {
        if let Some(theirs) = output("mkpasswd", &["-m", method, password]) {
            assert!(verify(&theirs, &secret(password)), "{theirs}");
        }
    }
    for method in ["-1", "-5", "-6"] {
        if let Some(theirs) = output("openssl", &["passwd", method, password]) {
            assert!(verify(&theirs, &secret(password)), "{theirs}");
        }
    }
}

/// What a program prints, or `None` where this machine does not have it.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}
