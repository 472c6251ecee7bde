//! Each trap of delivery and address maps (behaviour.md §18, 29 to 69, 73, 74) is a test that is named here, or has a reason to be none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The file of a test, and its name.
type Test = (&'static str, &'static str);

const PLAN: &str = "src/deliver/tests.rs";
const LEAVES: &str = "src/deliver/tests/leaves.rs";
const ANSWERS: &str = "src/deliver/tests/answers.rs";
const VACATIONS: &str = "src/deliver/tests/vacations.rs";
const OUTCOMES: &str = "src/deliver/tests/outcomes.rs";
const PROGRAM: &str = "tests/interop/vdeliver.rs";
const ALIASES: &str = "src/vdomain/aliases/tests.rs";
const VIRTMAPS: &str = "src/maps/virtmaps/tests.rs";
const VIRTUSER: &str = "src/maps/virtusertable/tests.rs";
const ROUTE: &str = "src/maps/route.rs";

const TRAPS: &[(u32, &[Test])] = &[
    (29, &[(PLAN, "an_alias_hides_a_user_and_ends_at_the_user_it_names_itself"), (PLAN, "the_fallback_takes_what_is_nobodys")]),
    (30, &[(PLAN, "alias_files_have_priorities_and_are_no_union")]),
    (
        31,
        &[
            (PLAN, "a_name_without_a_domain_is_of_the_same_domain_and_other_domains_have_their_own_rules"),
            (PLAN, "a_backslash_ends_aliasing"),
        ],
    ),
    (32, &[(PLAN, "a_loop_ends_at_a_user_on_the_way_or_is_told"), (PLAN, "plans_end_and_nobody_is_in_one_twice")]),
    (33, &[(PLAN, "the_fallback_takes_what_is_nobodys")]),
    (34, &[(LEAVES, "a_fallbacks_words_are_words_whatever_stands_in_them")]),
    (35, &[(PLAN, "an_auto_responder_answers_beside_and_needs_no_account")]),
    (
        36,
        &[(ANSWERS, "an_auto_responder_answers_for_the_name_that_was_reached"), (LEAVES, "machines_answer_when_the_mail_is_in_its_place")],
    ),
    (
        37,
        &[
            (ANSWERS, "an_answer_has_the_header_that_a_machine_owes"),
            ("src/deliver/relay.rs", "lines_end_with_crlf_and_dots_are_doubled_however_the_text_comes"),
        ],
    ),
    (38, &[(VACATIONS, "a_text_alone_sends_nothing_and_an_empty_index_turns_it_on")]),
    (39, &[(VACATIONS, "it_is_on_record_before_it_goes_out"), (VACATIONS, "each_sender_hears_once_in_seven_days")]),
    (40, &[(VACATIONS, "mail_has_to_name_the_user_by_some_name_of_his")]),
    (41, &[(LEAVES, "mail_that_only_passes_through_gets_no_notice")]),
    (42, &[(LEAVES, "a_filter_that_writes_nothing_drops_and_one_that_fails_keeps"), (LEAVES, "a_filter_makes_of_a_message_what_it_likes")]),
    (43, &[("src/config/quota.rs", "a_users_limit_has_three_states"), ("src/store/quota/tests.rs", "kibibytes_are_rounded_up")]),
    (
        44,
        &[
            (LEAVES, "of_two_recipients_each_has_an_outcome"),
            (PROGRAM, "the_worst_of_several_recipients_is_told_and_what_comes_again_is_not_doubled"),
        ],
    ),
    (45, &[(OUTCOMES, "exit_code_and_reply_say_the_same"), (LEAVES, "the_exit_code_of_a_program_is_understood")]),
    (46, &[(PROGRAM, "each_outcome_has_its_exit_code_and_says_nothing_that_a_sender_must_not_read")]),
    (47, &[(PROGRAM, "the_sender_may_be_given_in_many_ways")]),
    (48, &[("src/deliver/tests/mailboxes.rs", "an_mbox_has_one_separator_even_if_one_came_with_the_mail")]),
    (49, &[("tests/deliver.rs", "users_of_two_domains_never_share_a_uid")]),
    (
        50,
        &[
            (PROGRAM, "files_are_their_owners_whoever_starts_it"),
            ("src/address.rs", "users_that_would_be_paths_or_control_files_are_refused"),
        ],
    ),
    (51, &[(PLAN, "postmaster_and_abuse_always_have_a_destination")]),
    (52, &[("src/address.rs", "users_that_would_be_paths_or_control_files_are_refused")]),
    (
        53,
        &[
            (VIRTMAPS, "trap_53_the_wildcard_is_a_bare_domain_and_the_look_up_is_one"),
            (ROUTE, "trap_53_virtusertable_is_followed_to_its_end"),
        ],
    ),
    (54, &[(VIRTMAPS, "trap_54_the_wildcard_never_beats_an_exact_key_whatever_the_order")]),
    (55, &[(VIRTMAPS, "trap_55_a_colon_after_the_address_is_left_out_and_remarked_on")]),
    (56, &[(VIRTMAPS, "trap_56_of_two_lines_for_a_key_the_first_holds"), (ALIASES, "the_last_of_two_entries_holds_with_a_warning")]),
    (57, &[(VIRTMAPS, "trap_57_keys_are_folded_and_values_not_and_blanks_around_values_go")]),
    (
        58,
        &[
            (VIRTMAPS, "trap_58_a_file_with_cr_lf_is_understood_and_remarked_on_once"),
            ("src/maps/table.rs", "trap_58_the_cr_of_cr_lf_is_no_part_of_a_value"),
        ],
    ),
    (59, &[(VIRTUSER, "trap_59_error_values_are_taken_as_sendmail_takes_them")]),
    (60, &[(VIRTUSER, "trap_60_the_detail_is_lost_unless_it_is_asked_for")]),
    (61, &[(VIRTUSER, "trap_61_a_star_needs_a_plus_sign")]),
    (62, &[(ROUTE, "trap_62_a_local_domain_without_a_line_falls_to_the_local_user")]),
    (63, &[("src/maps/expansion.rs", "trap_63_after_mapping_to_a_local_name_the_domain_is_forgotten")]),
    (
        64,
        &[
            ("src/maps/genericstable.rs", "trap_64_what_cannot_be_a_sender_is_remarked_on"),
            ("src/maps/check.rs", "trap_64_a_genericstable_needs_its_domains_in_the_class"),
        ],
    ),
    // A blank would become a dot, and so another program: the line is refused with a word on quotes.
    (
        65,
        &[
            (ALIASES, "what_cannot_be_understood_is_told_and_keeps_its_place"),
            (ALIASES, "programs_may_be_quoted_with_the_bar_or_behind_it"),
        ],
    ),
    (66, &[("src/maps/table.rs", "trap_66_lines_are_read_as_makemap_reads_them"), (ALIASES, "comments_are_comments_at_column_0_only")]),
    (67, &[(PLAN, "a_list_in_a_file_has_members_of_the_domain"), (PLAN, "what_nobody_understands_waits_unless_others_get_the_mail")]),
    (68, &[(PLAN, "bounces_of_a_list_go_to_its_owner"), (LEAVES, "mail_leaves_with_its_sender_and_a_mark_and_many_go_together")]),
    (69, &[("src/maps/test_mode.rs", "trap_69_what_is_wrong_is_said_as_sendmail_says_it")]),
    (73, &[(ROUTE, "trap_73_a_circle_ends_after_fifty_rewrites"), (VIRTUSER, "what_cannot_work_is_remarked_on")]),
    (
        74,
        &[
            (LEAVES, "a_list_is_accepted_though_a_member_is_dead_and_the_sender_hears_of_it"),
            ("src/maps/expansion.rs", "trap_74_aliases_of_aliases_are_followed_once_each"),
        ],
    ),
];

#[test]
fn each_trap_of_delivery_has_a_test() {
    let listed: Vec<u32> = TRAPS.iter().map(|(trap, _)| *trap).collect();
    assert_eq!(listed, (29..=69).chain([73, 74]).collect::<Vec<_>>());
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    let missing = TRAPS.iter().flat_map(|(trap, tests)| tests.iter().map(move |test| (trap, test))).filter(|(_, (file, name))| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = texts.entry(file).or_insert_with(|| fs::read_to_string(path).unwrap_or_default());
        !text.contains(&format!("fn {name}("))
    });
    assert_eq!(missing.collect::<Vec<_>>(), []);
}
