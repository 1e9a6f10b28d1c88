//! The faults that are not tried here, or not whole: why not, and which tests cover them.
#![allow(dead_code, reason = "each test binary uses its own part")]

/// Id, and the sentence. A test is named as `crate/path/file.rs::function`.
pub(crate) const ELSEWHERE: &[(&str, &str)] = &[
    (
        "F14",
        "beside the row: `content-service/tests/panic.rs::a_handler_that_panics_sets_its_event_aside_and_the_process_goes_on`. In profile-service each question has a task of its own, and one that panics is answered INTERNAL",
    ),
    (
        "F15",
        "no memory limit of its own (cgroup) can be set here, so beside the row: every row holds each process below 400 MiB, F50 and `gateway/tests/it/bounds.rs::hostile_pushes_do_not_make_it_grow` below much less, `make soak` its growth",
    ),
    (
        "F16",
        "in a process with 256 files: `gateway/tests/it/bounds.rs::f16_a_thousand_connections_never_take_the_last_file_and_nothing_spins` and `gateway/tests/it/bounds.rs::f16_where_no_file_is_left_accepting_pauses_and_goes_on_when_there_are_some`",
    ),
    (
        "F20",
        "what F17 with three nodes does; what it costs, on a mock cluster whose partitions move: `gateway/tests/it/topic.rs::f20_when_partitions_move_to_another_broker_pushes_take_half_a_second_longer_at_most`",
    ),
    (
        "F23",
        "beside the row: `content-service/tests/blocked.rs::a_handler_that_blocks_ends_the_service_and_until_then_other_users_are_answered`, `content-service/tests/blocked.rs::a_thread_of_the_runtime_that_blocks_is_found` and `content-service/tests/blocked.rs::a_loop_that_stops_turning_is_found_and_one_that_has_ended_is_not`",
    ),
    (
        "F25",
        "retention takes a real broker minutes: a mock cluster deletes in `content-service/tests/service/retention.rs::events_that_retention_deleted_before_they_were_handled_are_counted_and_the_rest_is_handled` and `content-service/tests/service/retention.rs::a_committed_offset_that_the_topic_does_not_have_starts_at_its_beginning`",
    ),
    (
        "F26",
        "a real broker gives no fatal error on demand, a mock cluster does: `gateway/tests/it/topic.rs::f26_after_a_fatal_error_of_the_producer_liveness_fails_and_the_next_process_sends_what_was_taken`",
    ),
    (
        "F27",
        "a mock cluster misses and refuses the topic: `gateway/tests/it/topic.rs::f27_a_topic_that_is_missing_or_refused_is_told_at_the_start_and_pushes_are_taken_when_it_is_mended`, `gateway/tests/it/topic.rs::f27_with_a_spool_a_missing_topic_is_told_too_and_what_was_pushed_goes_there_when_it_is_mended` and `gateway/tests/it/topic.rs::f27_a_topic_that_refuses_a_running_gateway_is_answered_503_and_told_until_it_is_mended`",
    ),
    (
        "F32",
        "a mock cluster refuses the DLQ topic: `content-service/tests/service/aside.rs::a_dlq_that_refuses_us_holds_the_partition_and_loses_nothing`",
    ),
    (
        "F38",
        "told before anything is sent, and within a look at run time: `content-service/tests/service/keeping.rs::a_redis_that_may_lose_the_ledger_is_refused_with_what_to_do`, `content-service/tests/service/keeping.rs::a_redis_that_turns_bad_at_run_time_shows` and `runtime/src/redis/server.rs::only_what_was_evicted_since_the_last_look_is_told`",
    ),
    (
        "F40",
        "beside the row: there is no cluster mode. MOVED, ASK, TRYAGAIN and CLUSTERDOWN are errors like any other, the call is made again, and nothing is sent meanwhile: `content-service/tests/service/trouble.rs::while_a_cluster_is_down_nothing_is_sent_and_nothing_given_up` has the last of them",
    ),
    (
        "F41",
        "beside the row: `content-service/src/intake_tests.rs::a_hot_user_is_answered_with_the_newest_and_holds_nobody_up`, `content-service/tests/service/crowds.rs::a_hot_user_gives_way_to_himself_and_slows_nobody` and `content-service/src/lanes_tests.rs::users_stay_in_order_bounds_hold_and_nothing_is_lost`; a profile has caps: `profile-service/tests/learning.rs::the_fullest_profile_fits_into_a_message`",
    ),
    (
        "F43",
        "beside the row, calls refused as UNAVAILABLE and RESOURCE_EXHAUSTED: `content-service/src/profiles_tests.rs::f43_a_storm_of_refusals_costs_a_fifth_more_calls_and_never_more_than_two_for_an_event`",
    ),
    (
        "F44",
        "names with no address and names that fail, with a resolver of the test; that fewer than one call in a hundred fails: `content-service/src/profiles_tests.rs::replicas_are_replaced_and_names_fail_and_fewer_than_one_call_in_a_hundred_does`; beside it: `content-service/src/profiles/addresses_tests.rs::a_look_up_that_finds_nobody_changes_nothing`, `content-service/src/profiles/addresses_tests.rs::a_name_that_is_not_found_keeps_its_addresses_while_another_is_found` and `content-service/src/profiles/addresses_tests.rs::whoever_follows_the_changes_knows_the_addresses_and_never_has_none`",
    ),
    (
        "F45",
        "`buf breaking` in `make lint`, `proto/tests/versions.rs::fields_that_a_newer_writer_adds_are_passed_over`, `proto/tests/versions.rs::a_kind_that_a_newer_writer_adds_leaves_the_rest_readable`, `proto/tests/versions.rs::a_value_that_a_newer_writer_adds_to_an_enum_is_no_known_one_and_is_kept` and `proto/tests/versions.rs::what_an_older_writer_does_not_know_has_its_default`",
    ),
    (
        "F48",
        "beside the rows, with `ask`, and `at_least_once` across a crash: `content-service/tests/service/unknown.rs::who_asks_gets_his_outcome_at_once_and_a_revision_after_the_resend` and `content-service/tests/service/unknown.rs::after_a_crash_the_resend_is_made_once_and_not_if_the_dead_one_had_made_it`",
    ),
    (
        "F50",
        "beside the row: nothing is decompressed, so a compressed answer is one that says nothing: `wechat/tests/api/main.rs::an_answer_that_says_nothing_is_unknown`",
    ),
    (
        "F52",
        "beside the row, one refresh of the fleet a rotation: `content-service/tests/schedules/tokens.rs::in_no_order_does_a_rotation_cost_the_fleet_a_second_call` and `wechat/tests/api/main.rs::a_refused_token_is_refreshed_once_for_all_and_each_send_repeated_once`",
    ),
    (
        "F54",
        "half an hour without tokens needs a clock that jumps, and the endpoint is asked after one, two and four seconds and then every five: `wechat/src/api/token/record/tests.rs::while_the_endpoint_fails_it_is_left_alone_and_a_valid_token_serves`, `wechat/tests/api/fleet.rs::an_endpoint_that_fails_is_asked_by_one_of_them_and_left_alone_longer_each_time`, `content-service/tests/service/trouble.rs::a_token_endpoint_that_comes_back_in_time_costs_nothing_and_one_that_does_not_is_told` and, for codes, `content-service/tests/service/stops.rs::a_token_that_the_platform_refuses_stops_the_account_and_is_asked_for_again`",
    ),
    (
        "F58",
        "over the whole table: `wechat/src/errcode.rs::every_code_has_its_class`, `wechat/tests/errcodes.rs::every_documented_code_has_the_class_that_follows_from_what_to_do_about_it`, `content-service/src/deliver/verdict.rs::every_class_has_its_consequence`; a code that nobody knows: `content-service/tests/service/stops.rs::a_code_that_nobody_knows_or_that_punishes_gives_up_the_message_and_is_told`",
    ),
    (
        "F63",
        "`gateway/tests/it/door.rs::slow_headers_slow_bodies_and_idle_connections_are_closed`, `gateway/tests/it/door.rs::whoever_does_not_read_the_answers_is_given_up` and `gateway/tests/it/slow.rs::f63_two_thousand_slow_clients_are_closed_in_time_and_pushes_beside_them_are_as_quick_as_ever`",
    ),
    (
        "F64",
        "`gateway/tests/it/hostile.rs::more_than_64_kib_is_too_large_however_it_comes`, `gateway/tests/it/door.rs::headers_have_bounds_and_two_lengths_are_no_request`, `gateway/tests/it/door.rs::a_body_that_breaks_off_is_refused_like_all_else`, `gateway/tests/it/smuggling.rs::lengths_and_encodings_that_can_be_read_in_two_ways_are_no_request`, `gateway/tests/it/smuggling.rs::what_has_a_length_and_chunks_ends_the_connection_so_that_nothing_hides_behind_it` and `gateway/tests/it/smuggling.rs::chunks_that_do_not_add_up_end_the_connection`",
    ),
    (
        "F65",
        "`gateway/tests/it/pushes.rs::what_verifies_is_never_refused_even_if_nobody_can_read_it`, `gateway/src/event_tests.rs::what_nobody_can_read_is_kept_raw_under_its_own_hash`, `wechat/src/document/tests.rs::what_has_no_one_reading_is_not_read` and `wechat/tests/fuzz_document.rs::fuzz_document` with its corpus",
    ),
    (
        "F66",
        "`wechat/src/document/tests.rs::a_doctype_is_not_read_but_may_be_written_about`, `wechat/src/document/tests.rs::nesting_and_size_are_bounded`, `wechat/tests/hostile.rs::a_long_name_around_many_leaves_does_not_swell` and `gateway/tests/it/bounds.rs::hostile_pushes_do_not_make_it_grow`; the time of one document, twenty times as much in a build that is not optimised: `wechat/tests/timing.rs::f66_no_document_of_64_kib_takes_a_millisecond`",
    ),
    (
        "F67",
        "`wechat/tests/hostile.rs::ciphertexts_that_are_none_are_refused`, `wechat/tests/hostile.rs::paddings_and_lengths_that_do_not_fit_are_refused`, `wechat/tests/hostile.rs::another_app_id_and_another_key_are_told_apart`, `wechat/tests/vectors.rs::every_vector_holds`; alike in answer and time: `gateway/tests/it/hostile.rs::all_that_does_not_verify_looks_alike`, `gateway/tests/it/hostile.rs::no_refusal_takes_longer_than_another` and `wechat/tests/timing.rs::refusals_of_one_step_take_the_same_time_and_the_steps_differ_by_less_than_a_network_scatters`",
    ),
    (
        "F68",
        "`gateway/tests/it/overload.rs::a_flood_of_forgeries_is_answered_alike_and_later_and_a_push_from_the_same_address_at_once` and `gateway/tests/it/hostile.rs::nothing_is_decrypted_before_its_signature_has_been_checked`; what one costs, twenty times as much in a build that is not optimised: `wechat/tests/timing.rs::f68_a_forged_push_costs_twenty_microseconds_at_most_and_not_twice_a_good_one`",
    ),
    (
        "F70",
        "a machine's clock that jumps needs faketime, and no row has it; services take the time as an argument, and tests move it: `content-service/tests/service/trouble.rs::a_clock_that_jumps_back_an_hour_neither_repeats_nor_ends_anything`, `wechat/src/api/token/record/tests.rs::what_a_wrong_clock_wrote_holds_nobody_up` and `gateway/src/event_tests.rs::the_time_is_the_platforms_but_never_later_than_now`. Leases go by the time of Redis, and where its clock is another one that is told: `runtime/src/redis/server.rs::each_trouble_has_its_name`; what is signed eleven minutes ago or ahead is in F69",
    ),
    (
        "F71",
        "beside the row: `gateway/tests/it/rotation.rs::tokens_and_keys_are_changed_at_the_platform_without_a_restart_and_a_refusal`, `gateway/tests/it/rotation.rs::files_that_cannot_be_used_replace_nothing_and_are_told_until_they_can` and `gateway/tests/it/hostile.rs::another_previous_key_is_no_excuse`",
    ),
    ("F72", "`gateway/src/event_tests.rs::what_is_not_known_is_kept_with_all_its_fields`"),
    (
        "F73",
        "a full disk needs a file system of its own; a limit on what a process may write and a sync that fails stand for it: `gateway/tests/it/spool_process/disk.rs::a_disk_that_takes_no_more_is_answered_503_and_the_process_goes_on`, `gateway/tests/it/spool_process/disk.rs::after_a_failed_sync_nothing_is_acknowledged_and_the_process_ends_and_says_what_to_do` and `gateway/tests/it/spool_process.rs::a_folder_that_cannot_be_written_is_told_at_the_start`",
    ),
    (
        "F74",
        "beside the row, damage of every kind: `gateway/src/spool/model_tests.rs::what_is_intact_comes_back_in_order_and_once`, `gateway/src/spool/model_tests.rs::recovered_is_what_waits_less_what_is_damaged_of_it` and, with processes, `gateway/tests/it/spool_process.rs::a_damaged_spool_is_counted_and_the_rest_of_it_sent`",
    ),
    (
        "F76",
        "beside the row: files that cannot be used or hold an expired certificate end a service at its start: `runtime/src/tls/tests.rs::files_that_cannot_be_used_are_told_with_what_to_do_and_without_what_is_in_them`; what is said of each certificate that is refused: `yingbin/tests/tls/redis.rs::whom_the_authority_vouches_for_is_spoken_to_and_nobody_else` and `yingbin/tests/tls/redis.rs::a_server_that_wants_a_certificate_gets_the_own_one_and_what_it_does_not_take_is_told`; the time of the end, and the alarm 14 days before it: `runtime/src/tls/tests.rs::the_end_of_a_certificate_is_told_and_follows_its_file`, with `deploy/alerts/tests.yaml`. Certificates to Kafka are taken in `yingbin/tests/tls/kafka.rs::whoever_shows_the_right_certificate_or_says_the_right_password_is_let_in_and_nobody_else`; librdkafka reads its files when a client is made, so their rotation is a restart, which F77 tries without TLS. TLS to the platform: `wechat/src/api/connect/tests.rs::a_certificate_that_nobody_vouches_for_is_refused`, `wechat/src/api/connect/tests.rs::tls_carries_bytes_and_counts_them_without_its_own` and `wechat/tests/api/main.rs::a_server_that_never_finishes_tls_is_not_sent`",
    ),
    (
        "F80",
        "playbooks, certificates of Redis, and the gateway's tokens and keys are read again, other settings are not; half a key is in F71, where the files are swapped as a mounted volume swaps them, and certificates in F76: `gateway/tests/it/rotation.rs::files_that_cannot_be_used_replace_nothing_and_are_told_until_they_can`, `content-service/tests/service/playbooks.rs::a_bad_playbook_never_replaces_a_good_one`, `content-service/tests/service/playbooks.rs::a_playbook_that_is_swapped_is_taken_over_and_half_of_one_is_not` and `content-service/tests/reload.rs::a_thousand_reloads_leave_nothing_behind`",
    ),
    (
        "F81",
        "`buf breaking` against `proto/released.binpb` in `make lint`, golden bytes in `proto/src/headers.rs::the_bytes_of_an_event_are_the_contract` and `gateway/src/event_tests.rs::the_bytes_of_an_event_are_the_contract`, and what only one side knows in `proto/tests/versions.rs::fields_that_a_newer_writer_adds_are_passed_over` and `proto/tests/versions.rs::what_an_older_writer_does_not_know_has_its_default`",
    ),
    (
        "F85",
        "services push nothing to a collector, so none can hold them up: metrics are asked for, as in `profile-service/tests/grpc.rs::it_serves_without_kafka_and_shows_its_metrics`",
    ),
    ("F87", "`make soak MINUTES=480`"),
    (
        "F88",
        "`content-service/src/playbook/template.rs::a_template_can_not_run_away_and_does_not_guess`, `content-service/src/playbook/error_tests.rs::deep_and_long_rules_are_refused_or_evaluated_but_never_overflow`, `content-service/tests/fuzz_playbook.rs::fuzz_playbook` and `content-service/tests/fuzz_input.rs::fuzz_input`",
    ),
];
