//! Include files: whatever stands in one, a plan that goes through it has an end, bounds, and nobody twice. The first octet says whether
//! others could have written it: then nothing in it is run, written to or read.
#![no_main]

use std::cell::OnceCell;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use vmail::config::{Machine, Root};
use vmail::deliver::{Found, Leaf, plan};
use vmail::maps::Sources;
use vmail::vdomain::Directory;

thread_local! {
    static SITE: OnceCell<(PathBuf, Directory)> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, text)) = data.split_first() else { return };
    SITE.with(|site| {
        let (folder, directory) = site.get_or_init(site_with_a_list);
        let list = folder.join("list");
        // A file that is cut before it is written goes to the disk at once on some file systems.
        let _ = fs::remove_file(&list);
        fs::write(&list, text).unwrap();
        let is_ours = first & 1 == 0;
        fs::set_permissions(&list, fs::Permissions::from_mode(if is_ours { 0o600 } else { 0o666 })).unwrap();
        let plan = plan(directory, &Sources::default(), &"list@va.test".parse().unwrap(), "a@x.org");
        assert!(plan.steps.len() <= 20_000 && plan.steps.iter().all(|step| step.depth <= 51));
        let leaves: Vec<String> = plan.leaves().map(|(_, leaf)| leaf.to_string()).collect();
        assert_eq!(leaves.iter().collect::<HashSet<_>>().len(), leaves.len());
        let is_dangerous = |found: &Found| matches!(found, Found::Leaf(Leaf::Program { .. } | Leaf::File { .. }));
        assert!(is_ours || !plan.steps.iter().any(|step| is_dangerous(&step.found)));
        assert!(plan.to_string().ends_with(&format!("=> {}", plan.verdict())));
        plan.to_json();
    });
});

fn site_with_a_list() -> (PathBuf, Directory) {
    let folder = std::env::temp_dir().join(format!("vmail-fuzz-include-{}", std::process::id()));
    let root = Root::new(&folder);
    let domain = "va.test".parse().unwrap();
    fs::create_dir_all(root.domains()).unwrap();
    fs::write(root.record(&domain), "alias = [\"va.net\"]\n").unwrap();
    fs::write(root.passwd(&domain), "joe:x:1:1::/h:\nann:x:1:1::/h:\n").unwrap();
    fs::write(root.aliases(&domain), format!("list: :include:{0}/list\nback: list, joe\nann: bob, ann\nbob: ann\n", folder.display()))
        .unwrap();
    let directory = Directory::load(&root, Arc::new(Machine::default()), None);
    (folder, directory)
}
