//! Keys in their file, and who makes them at the same time.

use std::os::unix::fs::MetadataExt as _;

use super::*;

#[test]
fn the_first_identity_is_made_once_and_others_are_found_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (credentials, first) = Credentials::open(folder.path()).unwrap();
    let first = first.unwrap();
    assert_eq!((first.access_key.len(), first.secret_key.len(), first.name.as_str()), (20, 40, FIRST));
    assert_eq!(credentials.find(&first.access_key).unwrap().secret_key, first.secret_key);
    assert_eq!(std::fs::metadata(folder.path().join(FILE)).unwrap().mode() & 0o777, 0o600);
    assert!(Credentials::open(folder.path()).unwrap().1.is_none());
    let other = create(folder.path(), "deployer").unwrap();
    assert_eq!(credentials.find(&other.access_key).unwrap().name, "deployer");
    assert!(credentials.find("AKIANOBODY").is_none());
    assert!(matches!(create(folder.path(), "deployer"), Err(CredentialsError::Taken(_))));
    assert!(matches!(create(folder.path(), "a b"), Err(CredentialsError::Name(_))));
    std::fs::write(folder.path().join(FILE), "junk").unwrap();
    assert!(matches!(create(folder.path(), "x"), Err(CredentialsError::Format { .. })));
}

#[test]
fn keys_of_older_files_are_administrators_and_active() {
    let folder = tempfile::tempdir().unwrap();
    let old = r#"[{"access_key": "AKIAOLD", "secret_key": "s", "name": "default", "created_ms": 1}]"#;
    std::fs::write(folder.path().join(FILE), old).unwrap();
    let (credentials, _) = Credentials::open(folder.path()).unwrap();
    let found = credentials.find("AKIAOLD").unwrap();
    assert_eq!((found.restricted, found.status), (false, KeyStatus::Active));
    assert!(credentials.administrator("default").unwrap().is_some());
}

#[test]
fn a_user_has_two_keys_at_most_which_are_turned_off_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (credentials, first) = Credentials::open(folder.path()).unwrap();
    let one = credentials.create_restricted("u", "AIDA1").unwrap();
    let two = credentials.create_restricted("u", "AIDA1").unwrap();
    assert!(matches!(credentials.create_restricted("u", "AIDA1"), Err(CredentialsError::TooMany(_))));
    let keys: Vec<_> = credentials.of_user("AIDA1").unwrap().into_iter().map(|key| key.access_key).collect();
    assert_eq!(keys, [one.access_key.clone(), two.access_key.clone()]);
    credentials.turn(&one.access_key, "AIDA1", KeyStatus::Inactive).unwrap();
    assert_eq!(credentials.find(&one.access_key).unwrap().status, KeyStatus::Inactive);
    credentials.remove(&two.access_key, "AIDA1").unwrap();
    assert!(credentials.find(&two.access_key).is_none());
    // Nobody turns off another's key, nor an administrator's.
    let first = first.unwrap().access_key;
    for (key, user) in [(&one.access_key, "AIDA2"), (&first, "AIDA1"), (&first, "")] {
        assert!(matches!(credentials.turn(key, user, KeyStatus::Inactive), Err(CredentialsError::Unknown)));
        assert!(matches!(credentials.remove(key, user), Err(CredentialsError::Unknown)));
    }
}

#[test]
fn no_key_is_lost_when_the_command_line_and_iam_make_keys_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let (credentials, _) = Credentials::open(folder.path()).unwrap();
    let data_dir = folder.path();
    let made: Vec<String> = std::thread::scope(|scope| {
        let iam: Vec<_> = (0..4)
            .map(|user| {
                let credentials = &credentials;
                scope.spawn(move || {
                    let make = |_| credentials.create_restricted("u", &format!("AIDA{user}")).unwrap().access_key;
                    (0..2).map(make).collect::<Vec<_>>()
                })
            })
            .collect();
        let cli: Vec<_> = (0..8)
            .map(|number| scope.spawn(move || vec![create(data_dir, &format!("admin{number}")).unwrap().access_key]))
            .map(|thread| thread.join().unwrap())
            .collect();
        iam.into_iter().map(|thread| thread.join().unwrap()).chain(cli).flatten().collect()
    });
    assert_eq!(made.len(), 16);
    let written = read(&folder.path().join(FILE)).unwrap();
    for key in &made {
        assert!(written.iter().any(|credential| credential.access_key == *key), "{key} is lost");
    }
    assert_eq!(written.len(), 17);
    std::thread::sleep(READ_AGAIN);
    assert!(made.iter().all(|key| credentials.find(key).is_some()));
}
