//! Folders as origins: what is no file is not there, what lies outside is not either, and nothing of it holds a drain up.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::harness::{Config, Edge, edgeward};

fn serving(fill: impl Fn(&Path)) -> Edge {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("www");
    std::fs::create_dir(&root).unwrap();
    fill(&root);
    Edge::start_in(folder, Config::new().server("drain_s", 2).folder("o", "www").site("o"))
}

fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn pipes_and_devices_are_not_found_and_do_not_block_a_drain() {
    let mut edge = serving(|root| {
        mkfifo(&root.join("fifo"));
        std::fs::create_dir(root.join("folder")).unwrap();
        mkfifo(&root.join("folder/index.html"));
        symlink("/dev/zero", root.join("device")).unwrap();
        std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    });
    for target in ["/fifo", "/folder", "/folder/", "/device", "/socket", "/fifo/", "/%66ifo"] {
        assert_eq!(edge.get(target).status, 404, "{target}");
    }
    edge.signal("TERM");
    assert!(edge.ended().success());
}

#[test]
fn a_folder_without_its_slash_is_sent_to_the_one_with_it() {
    let edge = serving(|root| {
        for folder in ["docs/deep", "evil.example", "no index", "caf\u{e9} \"1\""] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
            if folder != "no index" {
                std::fs::write(root.join(folder).join("index.html"), folder).unwrap();
            }
        }
    });
    for (target, location) in [
        ("/docs/deep", "/docs/deep/"),
        ("/docs/deep?a=b&c=//d", "/docs/deep/?a=b&c=//d"),
        ("//evil.example", "/evil.example/"),
        ("///evil.example?", "/evil.example/?"),
        ("/.//evil.example", "/evil.example/"),
        ("/x/..//evil.example", "/evil.example/"),
        ("/caf%c3%a9%20%221%22", "/caf%C3%A9%20%221%22/"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = edge.request(method, target, "", b"");
            assert_eq!((answer.status, answer.header("location")), (301, location), "{target}");
        }
        let path = location.split('?').next().unwrap();
        assert_eq!(edge.get(path).status, 200, "{path}");
    }
    // Nothing is there to be sent to, or it is no folder's path.
    for target in ["/no%20index", "/docs", "/%5cevil.example", "/\\evil.example"] {
        assert_eq!(edge.get(target).status, 404, "{target}");
    }
}

#[test]
fn links_lead_to_what_lies_inside_only() {
    let edge = serving(|root| {
        std::fs::create_dir(root.join("v1")).unwrap();
        std::fs::write(root.join("v1/a.txt"), "inside").unwrap();
        std::fs::write(root.join("../outside.txt"), "outside").unwrap();
        symlink("v1", root.join("current")).unwrap();
        symlink(root.canonicalize().unwrap().join("v1"), root.join("absolute")).unwrap();
        symlink("../outside.txt", root.join("out.txt")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("/", root.join("all")).unwrap();
    });
    for target in ["/v1/a.txt", "/current/a.txt", "/absolute/a.txt", "/x/../v1//a.txt"] {
        assert_eq!(edge.get(target).text(), "inside", "{target}");
    }
    for target in ["/out.txt", "/up/outside.txt", "/up/edge.toml", "/all/etc/passwd", "/../outside.txt", "/..%2foutside.txt"] {
        assert!(matches!(edge.get(target).status, 400 | 404), "{target}");
    }
}

#[test]
fn a_pipe_in_place_of_a_configuration_file_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    mkfifo(&folder.path().join("pipe"));
    let config = Config::new().https("pipe", "pipe").function("f", "pipe").folder("o", ".").site("o");
    let config = config.table("public_key.k").set("file", "pipe").table("key_value_store.s").set("file", "pipe");
    std::fs::write(folder.path().join("edge.toml"), config.file()).unwrap();
    let checked = edgeward().args(["check", "edge.toml"]).current_dir(folder.path()).output().unwrap();
    let error = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!((checked.status.code(), error.matches("cannot read `pipe`: not a file").count()), (Some(64), 5), "{error}");
}
