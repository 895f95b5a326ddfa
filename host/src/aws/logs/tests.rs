//! Logs through their door: appended or put, and read by the operations.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::aws::request::trial;
use crate::limits::logs::WAITING_BYTES;

const GROUP: &str = "/aws/lambda/f";
const STREAM: &str = "2026/01/01/[$LATEST]0123";
const NOW_MS: u64 = 1_800_000_000_000;
const SMALL: LogBounds = LogBounds { segment: 4_096, group: 16_384, total: 65_536, total_low: 49_152 };

fn open(folder: &Path, bounds: LogBounds) -> Arc<Logs> {
    Logs::with_bounds(folder, Account::default(), bounds).unwrap()
}

fn request(operation: &str, body: &Value) -> ApiRequest {
    trial::request(&format!("Logs_20140328.{operation}"), NOW_MS / 1_000, body.to_string().as_bytes())
}

/// What is answered, or the code of the refusal.
fn ask(logs: &Logs, operation: &str, body: Value) -> Result<Value, String> {
    let answered = logs.answer(&request(operation, &body)).1.map_err(|error| error.code.to_owned())?;
    Ok(trial::body(answered))
}

fn messages(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap()).collect()
}

/// All messages of a group, page by page.
fn all(logs: &Logs, limit: usize) -> Vec<String> {
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        let mut question = json!({"logGroupName": GROUP, "limit": limit});
        if let Some(token) = token {
            question["nextToken"] = token;
        }
        let page = ask(logs, "FilterLogEvents", question).unwrap();
        assert!(page["events"].as_array().unwrap().len() <= limit);
        found.extend(messages(&page).into_iter().map(str::to_owned));
        match page.get("nextToken") {
            Some(next) => token = Some(next.clone()),
            None => return found,
        }
    }
}

fn put(logs: &Logs, stream: &str, events: &[(u64, &str)]) -> Value {
    let events: Vec<Value> = events.iter().map(|(time, message)| json!({"timestamp": time, "message": message})).collect();
    ask(logs, "PutLogEvents", json!({"logGroupName": GROUP, "logStreamName": stream, "logEvents": events})).unwrap()
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for group in std::fs::read_dir(folder.join("logs")).unwrap().map(|entry| entry.unwrap().path()) {
        if group.is_dir() {
            let files = std::fs::read_dir(group).unwrap().map(|entry| entry.unwrap().path());
            found.extend(files.filter(|file| file.extension().is_some_and(|extension| extension == "log")));
        }
    }
    found.sort();
    found
}

#[test]
fn what_a_function_logs_is_found_line_by_line_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), LogBounds::default());
    logs.append(GROUP, STREAM, NOW_MS, "START RequestId: 1\nhello\n\nEND RequestId: 1\n".to_owned());
    logs.flush();
    let expected = ["START RequestId: 1\n", "hello\n", "END RequestId: 1\n"];
    assert_eq!(all(&logs, 100), expected);
    let wrong = Logs::open(folder.path(), Account::default()).err().unwrap();
    assert!(wrong.to_string().contains("in use"), "{wrong}");
    drop(logs);
    let logs = open(folder.path(), LogBounds::default());
    assert_eq!(all(&logs, 1), expected);
    let streams = ask(&logs, "DescribeLogStreams", json!({"logGroupName": GROUP})).unwrap();
    assert_eq!(streams["logStreams"][0]["lastEventTimestamp"], NOW_MS);
    logs.append(GROUP, STREAM, NOW_MS + 1, "next".to_owned());
    logs.flush();
    assert_eq!(all(&logs, 100).len(), 4);
    assert_eq!(logs.dropped(), 0);
}

#[test]
fn a_name_that_is_too_long_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), SMALL);
    logs.append(GROUP, &"ä".repeat(100_000), NOW_MS, "one\n".to_owned());
    drop(logs);
    assert_eq!(all(&open(folder.path(), SMALL), 10), ["one\n"]);
}

#[test]
fn what_waits_is_written_when_the_logs_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), LogBounds::default());
    for line in 0..1_000 {
        logs.append(GROUP, STREAM, NOW_MS, format!("{line}\n"));
    }
    drop(logs);
    assert_eq!(all(&open(folder.path(), LogBounds::default()), 10_000).len(), 1_000);
}

#[test]
fn a_torn_record_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), LogBounds::default());
    logs.append(GROUP, STREAM, NOW_MS, "one\ntwo\n".to_owned());
    drop(logs);
    let file = &segments(folder.path())[0];
    let bytes = std::fs::read(file).unwrap();
    for cut in 1..20 {
        std::fs::write(file, &bytes[..bytes.len() - cut]).unwrap();
        let logs = open(folder.path(), LogBounds::default());
        assert_eq!(all(&logs, 10), ["one\n"], "without {cut} bytes");
        logs.append(GROUP, STREAM, NOW_MS, "three\n".to_owned());
        logs.flush();
        assert_eq!(all(&logs, 10), ["one\n", "three\n"]);
        assert_eq!(logs.bytes(), std::fs::metadata(file).unwrap().len());
    }
}

#[test]
fn a_group_keeps_its_newest_events() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), SMALL);
    ask(&logs, "CreateLogGroup", json!({"logGroupName": GROUP})).unwrap();
    ask(&logs, "CreateLogStream", json!({"logGroupName": GROUP, "logStreamName": "idle"})).unwrap();
    for line in 0..1_000_u64 {
        logs.append(GROUP, STREAM, NOW_MS + line, format!("{line:04} {}\n", "x".repeat(50)));
        logs.flush();
    }
    let found = all(&logs, 50);
    assert!(found.len() > 80 && found.len() < 300, "{}", found.len());
    assert!(found.is_sorted());
    assert!(found.last().unwrap().starts_with("0999"));
    assert!(logs.bytes() <= SMALL.group);
    assert_eq!(logs.bytes(), segments(folder.path()).iter().map(|file| std::fs::metadata(file).unwrap().len()).sum::<u64>());
    assert!(segments(folder.path()).iter().all(|file| std::fs::metadata(file).unwrap().len() <= SMALL.segment));
    let streams = |logs: &Logs| ask(logs, "DescribeLogStreams", json!({"logGroupName": GROUP})).unwrap();
    assert_eq!(streams(&logs)["logStreams"][1]["logStreamName"], "idle", "a stream outlives its events");
    let first = streams(&logs)["logStreams"][0]["firstEventTimestamp"].as_u64().unwrap();
    assert!(first > NOW_MS + 500);
    drop(logs);
    let logs = open(folder.path(), SMALL);
    assert_eq!(all(&logs, 1_000), found);
    assert_eq!(streams(&logs)["logStreams"][1]["creationTime"], NOW_MS);
}

#[test]
fn all_groups_together_keep_their_newest_events() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), SMALL);
    for group in 0..20 {
        logs.append(&format!("g{group:02}"), STREAM, NOW_MS, format!("{}\n", "x".repeat(4_000)).repeat(2));
        logs.flush();
    }
    assert!(logs.bytes() <= SMALL.total, "{}", logs.bytes());
    let count = |group: &str| messages(&ask(&logs, "FilterLogEvents", json!({"logGroupName": group})).unwrap()).len();
    assert_eq!((count("g00"), count("g19")), (0, 2));
    let groups = ask(&logs, "DescribeLogGroups", json!({})).unwrap();
    assert_eq!(groups["logGroups"].as_array().unwrap().len(), 20, "groups stay");
}

#[test]
fn events_end_with_their_retention() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), SMALL);
    let day = 24 * 3_600 * 1_000;
    ask(&logs, "CreateLogGroup", json!({"logGroupName": GROUP})).unwrap();
    ask(&logs, "CreateLogStream", json!({"logGroupName": GROUP, "logStreamName": STREAM})).unwrap();
    put(&logs, STREAM, &[(NOW_MS - 2 * day, "old"), (NOW_MS - 2 * day + 1, "old")]);
    put(&logs, STREAM, &[(NOW_MS - 1, "new")]);
    assert_eq!(all(&logs, 10), ["old", "old", "new"]);
    ask(&logs, "PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": 1})).unwrap();
    assert_eq!(all(&logs, 10), ["new"]);
    let rejected = put(&logs, STREAM, &[(NOW_MS - day - 1, "a"), (NOW_MS - day, "b")]);
    assert_eq!(rejected["rejectedLogEventsInfo"], json!({"expiredLogEventEndIndex": 1}));
    logs.groups.expire(NOW_MS + day);
    assert!(logs.bytes() > 0, "the newest is written less than a day ago");
    logs.groups.expire(NOW_MS + day + 1);
    ask(&logs, "DeleteRetentionPolicy", json!({"logGroupName": GROUP})).unwrap();
    assert!(all(&logs, 10).is_empty());
    put(&logs, STREAM, &[(NOW_MS, "the stream is still there")]);
}

#[test]
fn pages_are_in_the_order_of_time_whatever_the_order_of_writing() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), SMALL);
    ask(&logs, "CreateLogGroup", json!({"logGroupName": GROUP})).unwrap();
    for stream in ["a", "b"] {
        ask(&logs, "CreateLogStream", json!({"logGroupName": GROUP, "logStreamName": stream})).unwrap();
    }
    let text = |time: u64| format!("{time:03} {}", "x".repeat(60));
    for n in 0..60_u64 {
        // 7 has no factor in common with 60: each time once.
        let time = n * 7 % 60;
        put(&logs, if time % 2 == 0 { "a" } else { "b" }, &[(NOW_MS + time, &text(time))]);
    }
    let expected: Vec<String> = (0..60).map(text).collect();
    for limit in [1, 7, 59, 60, 61] {
        assert_eq!(all(&logs, limit), expected, "{limit}");
    }
    let ask_get = |more: Value| {
        let mut body = json!({"logGroupName": GROUP, "logStreamName": "a", "limit": 4});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask(&logs, "GetLogEvents", body).unwrap()
    };
    let times = |page: &Value| -> Vec<u64> {
        page["events"].as_array().unwrap().iter().map(|event| event["timestamp"].as_u64().unwrap() - NOW_MS).collect()
    };
    let last = ask_get(json!({}));
    assert_eq!(times(&last), [52, 54, 56, 58]);
    let before = ask_get(json!({"nextToken": last["nextBackwardToken"]}));
    assert_eq!(times(&before), [44, 46, 48, 50]);
    assert_eq!(times(&ask_get(json!({"nextToken": before["nextForwardToken"]}))), [52, 54, 56, 58]);
    let end = ask_get(json!({"nextToken": last["nextForwardToken"]}));
    assert_eq!((times(&end), &end["nextForwardToken"]), (vec![], &last["nextForwardToken"]), "the same at the end");
    assert_eq!(times(&ask_get(json!({"nextToken": end["nextBackwardToken"]}))), [52, 54, 56, 58]);
    let first = ask_get(json!({"startFromHead": true}));
    assert_eq!(times(&first), [0, 2, 4, 6]);
    let nothing = ask_get(json!({"nextToken": first["nextBackwardToken"]}));
    assert_eq!((times(&nothing), &nothing["nextBackwardToken"]), (vec![], &first["nextBackwardToken"]));
    assert_eq!(times(&ask_get(json!({"nextToken": nothing["nextForwardToken"]}))), [0, 2, 4, 6]);
    assert_eq!(times(&ask_get(json!({"startTime": NOW_MS + 4, "endTime": NOW_MS + 8}))), [4, 6], "the end is excluded");
    let question = json!({"logGroupName": GROUP, "startTime": NOW_MS + 4, "endTime": NOW_MS + 8, "logStreamNames": ["a"]});
    assert_eq!(times(&ask(&logs, "FilterLogEvents", question).unwrap()), [4, 6, 8], "here it is included");
    put(&logs, "a", &[(NOW_MS + 100, "later")]);
    assert_eq!(times(&ask_get(json!({"nextToken": end["nextForwardToken"]}))), [100]);
}

#[test]
fn a_page_has_a_megabyte() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), LogBounds::default());
    for number in 0..30 {
        logs.append(
            GROUP,
            STREAM,
            NOW_MS + number,
            format!("{number:02}{}", "x".repeat(if number % 3 == 0 { 200_000 } else { 10 })),
        );
    }
    logs.flush();
    let first = ask(&logs, "FilterLogEvents", json!({"logGroupName": GROUP})).unwrap();
    assert_eq!(messages(&first).len(), 15, "five long ones, and the short ones up to the sixth");
    let found = all(&logs, 10_000);
    assert!(found.len() == 30 && found.is_sorted(), "nothing is left out or twice");
}

#[test]
fn a_deleted_stream_has_no_events_even_if_it_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), SMALL);
    let stream = |operation: &str| ask(&logs, operation, json!({"logGroupName": GROUP, "logStreamName": "s"}));
    assert_eq!(stream("CreateLogStream"), Err("ResourceNotFoundException".to_owned()));
    ask(&logs, "CreateLogGroup", json!({"logGroupName": GROUP})).unwrap();
    stream("CreateLogStream").unwrap();
    assert_eq!(stream("CreateLogStream"), Err("ResourceAlreadyExistsException".to_owned()));
    put(&logs, "s", &[(NOW_MS, "before")]);
    stream("DeleteLogStream").unwrap();
    assert_eq!(stream("DeleteLogStream"), Err("ResourceNotFoundException".to_owned()));
    assert_eq!(stream("GetLogEvents"), Err("ResourceNotFoundException".to_owned()));
    assert!(all(&logs, 10).is_empty());
    stream("CreateLogStream").unwrap();
    put(&logs, "s", &[(NOW_MS, "after")]);
    assert_eq!(all(&logs, 10), ["after"]);
    drop(logs);
    assert_eq!(all(&open(folder.path(), SMALL), 10), ["after"]);
}

#[test]
fn a_group_can_be_deleted_and_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), SMALL);
    logs.append(GROUP, STREAM, NOW_MS, "one\n".to_owned());
    logs.flush();
    ask(&logs, "DeleteLogGroup", json!({"logGroupName": GROUP})).unwrap();
    assert_eq!((logs.bytes(), segments(folder.path()).len()), (0, 0));
    assert_eq!(ask(&logs, "FilterLogEvents", json!({"logGroupName": GROUP})), Err("ResourceNotFoundException".to_owned()));
    logs.append(GROUP, STREAM, NOW_MS, "two\n".to_owned());
    logs.flush();
    assert_eq!(all(&logs, 10), ["two\n"]);
    // As if the process had ended while a group was made or deleted.
    std::fs::create_dir(folder.path().join("logs/half")).unwrap();
    drop(logs);
    assert_eq!(all(&open(folder.path(), SMALL), 10), ["two\n"]);
    assert!(!folder.path().join("logs/half").exists());
}

#[test]
fn what_has_no_room_is_dropped_counted_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), LogBounds::default());
    logs.append(GROUP, STREAM, NOW_MS, "x".repeat(WAITING_BYTES));
    assert_eq!(logs.dropped(), 1);
    logs.append(GROUP, STREAM, NOW_MS, "it fits\n".to_owned());
    logs.flush();
    let found = all(&logs, 10);
    assert_eq!(found.len(), 2, "{found:?}");
    let told = "edgeward: 1 texts of this log group were dropped, since the disk was too slow\n";
    assert!(found.iter().any(|message| message == told), "{found:?}");
}

#[test]
fn a_disk_that_refuses_costs_the_text_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), SMALL);
    logs.append(GROUP, STREAM, NOW_MS, "one\n".to_owned());
    logs.flush();
    let file = segments(folder.path()).remove(0);
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    std::fs::create_dir(&file).unwrap();
    logs.append(GROUP, STREAM, NOW_MS, "two\n".to_owned());
    logs.flush();
    assert_eq!(logs.dropped(), 1);
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&aside, &file).unwrap();
    logs.append(GROUP, STREAM, NOW_MS, "three\n".to_owned());
    logs.flush();
    assert_eq!(all(&logs, 10), ["one\n", "three\n"]);
    assert_eq!(logs.bytes(), std::fs::metadata(&file).unwrap().len());
}

#[test]
fn writers_readers_and_who_deletes_do_not_stop_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), SMALL);
    std::thread::scope(|scope| {
        for writer in 0..3_u64 {
            let logs = &logs;
            scope.spawn(move || {
                for line in 0..2_000 {
                    logs.append(&format!("g{}", line % 7), STREAM, NOW_MS + line, format!("{writer} {line}\n"));
                }
            });
        }
        scope.spawn(|| {
            for n in 0..200 {
                let group = json!({"logGroupName": format!("g{}", n % 7)});
                let _ = ask(&logs, "FilterLogEvents", group.clone());
                let _ = ask(&logs, if n % 9 == 0 { "DeleteLogGroup" } else { "DescribeLogStreams" }, group);
            }
        });
    });
    logs.flush();
    let kept: u64 = segments(folder.path()).iter().map(|file| std::fs::metadata(file).unwrap().len()).sum();
    assert_eq!((logs.bytes(), logs.dropped()), (kept, 0));
    assert!(kept <= SMALL.total);
}

#[test]
fn a_request_names_what_its_caller_needs_a_right_to() {
    let folder = tempfile::tempdir().unwrap();
    let logs = open(folder.path(), SMALL);
    let arn = "arn:aws:logs:us-east-1:123456789012:log-group:";
    for (operation, body, resource) in [
        ("DescribeLogGroups", json!({}), format!("{arn}:log-stream:")),
        ("FilterLogEvents", json!({"logGroupIdentifier": format!("{arn}/a:*")}), format!("{arn}/a:log-stream:")),
        ("GetLogEvents", json!({"logGroupName": "/a", "logStreamName": "s"}), format!("{arn}/a:log-stream:s")),
        ("TagResource", json!({"resourceArn": format!("{arn}/a")}), format!("{arn}/a")),
    ] {
        let named = logs.resource(&request(operation, &body)).unwrap().unwrap();
        assert_eq!(named, (format!("logs:{operation}"), resource));
    }
    assert_eq!(logs.resource(&request("PutMetricFilter", &json!({}))).unwrap(), None);
    for (operation, name, code) in [
        ("PutMetricFilter", "Unsupported", ApiError::not_there("").code),
        ("StartLiveTail", "StartLiveTail", ApiError::not_there("").code),
        ("Nonsense", "Unknown", ApiError::unknown_operation().code),
    ] {
        let (told, answered) = logs.answer(&request(operation, &json!({})));
        assert_eq!((told, answered.err().unwrap().code), (name, code));
    }
}
