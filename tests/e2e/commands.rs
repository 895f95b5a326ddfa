//! How the command line is found out: the first configuration, either way of naming it, completions, manual, hints.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::harness::{Config, Edge, closed_port, component, edgeward, eventually, get};

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let Output { status, stdout, stderr } = edgeward().args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

#[test]
fn what_init_writes_serves_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["init"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.starts_with("wrote edge.toml and www/index.html\n"), "{}", ran.out);
    let ran = run(folder.path(), &["check"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert_eq!(ran.out, "edge.toml: ok, 1 site, 1 behavior, 1 origin, 0 functions\n");

    // On free ports, since tests run beside each other.
    let file = folder.path().join("edge.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    let here = written.replace("[\"127.0.0.1:8080\"]", "[\"127.0.0.1:0\"]").replace("\"127.0.0.1:9090\"", "\"127.0.0.1:0\"");
    std::fs::write(&file, here).unwrap();
    let mut edge = edgeward()
        .args(["serve", "--log", "json"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let served = BufReader::new(edge.stderr.take().unwrap()).lines().map_while(Result::ok).find_map(|line| {
        let record: serde_json::Value = serde_json::from_str(&line).ok()?;
        (record["message"] == "serving http").then(|| record["address"].as_str()?.parse::<SocketAddr>().ok()).flatten()
    });
    // Nobody reads its log any more, which is no reason to end.
    let answer = served.map(|address| get(address, "anything", "/", ""));
    edge.kill().unwrap();
    edge.wait().unwrap();
    let answer = answer.expect("it serves");
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("It works"), "{answer:?}");
}

#[test]
fn init_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("www")).unwrap();
    std::fs::write(folder.path().join("www/index.html"), "mine").unwrap();
    let ran = run(folder.path(), &["init"]);
    assert_eq!((ran.code, ran.out.lines().next()), (Some(0), Some("wrote edge.toml")));
    assert_eq!(std::fs::read_to_string(folder.path().join("www/index.html")).unwrap(), "mine");
    std::fs::write(folder.path().join("edge.toml"), "mine").unwrap();
    let ran = run(folder.path(), &["init", "."]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(64), "error: edge.toml is there already; it is not overwritten\n"));
    assert_eq!(std::fs::read_to_string(folder.path().join("edge.toml")).unwrap(), "mine");
    // A folder that is not there yet, and a file by its name.
    for (argument, file) in [("new/edge", "new/edge/edge.toml"), ("etc/main.toml", "etc/main.toml")] {
        let ran = run(folder.path(), &["init", argument]);
        assert!(ran.code == Some(0) && ran.out.contains(&format!("edgeward serve {file}\n")), "{}{}", ran.out, ran.err);
        assert_eq!(run(folder.path(), &["check", file]).code, Some(0));
    }
}

#[test]
fn what_init_suggests_is_right() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).code, Some(0));
    for name in ["tls", "sites"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let certificate = rcgen::generate_simple_self_signed(["www.example.com".to_owned()]).unwrap();
    std::fs::write(folder.path().join("tls/chain.pem"), certificate.cert.pem()).unwrap();
    std::fs::write(folder.path().join("tls/key.pem"), certificate.signing_key.serialize_pem()).unwrap();
    std::fs::copy(component("spa-rewrite"), folder.path().join("rules.wasm")).unwrap();
    let written = std::fs::read_to_string(folder.path().join("edge.toml")).unwrap();
    let taken = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => setting.to_owned(),
        _ => line.to_owned(),
    };
    let all: Vec<_> = written.lines().map(taken).collect();
    std::fs::write(folder.path().join("edge.toml"), all.join("\n")).unwrap();
    let ran = run(folder.path(), &["check"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("1 site, 2 behaviors, 2 origins, 1 function"), "{}", ran.out);
}

#[test]
fn a_configuration_is_named_either_way() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init", "a.toml"]).code, Some(0));
    for arguments in [&["check", "a.toml"][..], &["check", "-c", "a.toml"], &["check", "--config", "a.toml", "a.toml"]] {
        let ran = run(folder.path(), arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?} {}", ran.err);
    }
    for command in ["check", "serve"] {
        let ran = run(folder.path(), &[command, "a.toml", "-c", "b.toml"]);
        assert_eq!(ran.code, Some(64));
        assert_eq!(ran.err, "error: two configurations are named, a.toml and b.toml: which one is meant?\n");
        // Both forms are read, and lead to the same file.
        for arguments in [&[command, "none.toml"][..], &[command, "-c", "none.toml"]] {
            let ran = run(folder.path(), arguments);
            assert!(ran.code == Some(64) && ran.err.contains("--> none.toml"), "{}", ran.err);
        }
    }
}

#[test]
fn likely_mistakes_are_hinted_at() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, hint) in [
        (&["purge", "--site", "www"][..], "`edgeward cache purge`"),
        (&["cache", "invalidate"], "`edgeward cache purge`"),
        (&["run"], "`edgeward serve` serves"),
        (&["validate"], "`edgeward check`"),
        (&["reload"], "SIGHUP"),
        (&["edge.toml"], "`edgeward serve edge.toml`"),
        (&["-c", "edge.toml"], "`edgeward serve -c`"),
        (&["chekc"], "'check'"),
        (&["completion"], "'completions'"),
    ] {
        let ran = run(folder.path(), arguments);
        assert!(ran.code == Some(64) && ran.err.contains(hint), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_shell_completes_commands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(folder.path(), &["completions", shell]);
        assert!(ran.code == Some(0) && ran.out.contains("edgeward") && !ran.out.contains("compile"), "{shell}");
        std::fs::write(folder.path().join(shell), ran.out).unwrap();
    }
    let complete = |words: &str, count: usize| {
        let script = format!(
            "source ./bash; COMP_WORDS=({words}); COMP_CWORD={count}; _edgeward edgeward \"${{COMP_WORDS[COMP_CWORD]}}\" x; echo \"${{COMPREPLY[@]}}\""
        );
        let ran = Command::new("bash").args(["--norc", "-c", &script]).current_dir(folder.path()).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).trim().to_owned()
    };
    assert_eq!(complete("edgeward ser", 1), "serve");
    assert_eq!(complete("edgeward cache pu", 2), "purge");
    assert_eq!(complete("edgeward cache purge --ev", 3), "--everything");
    // Where other shells are there, they read their scripts.
    for (shell, arguments) in [("zsh", &["-n", "zsh"][..]), ("fish", &["--no-execute", "fish"])] {
        if let Ok(ran) = Command::new(shell).args(arguments).current_dir(folder.path()).output() {
            assert!(ran.status.success() && ran.stderr.is_empty(), "{shell}: {}", String::from_utf8_lossy(&ran.stderr));
        }
    }
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["man", "--out", "man1"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let mut pages: Vec<_> = std::fs::read_dir(folder.path().join("man1")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    let names: Vec<_> = pages.iter().map(|page| page.file_name().unwrap().to_str().unwrap()).collect();
    for name in ["edgeward.1", "edgeward-serve.1", "edgeward-cache-purge.1", "edgeward-init.1"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(!names.contains(&"edgeward-compile.1"), "{names:?}");
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        assert!(text.contains(".TH ") && text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{}", page.display());
        // Where it is there, groff finds nothing wrong and shows the words.
        let Ok(ran) = Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(page).output() else { continue };
        assert!(ran.status.success() && ran.stderr.is_empty(), "{}: {}", page.display(), String::from_utf8_lossy(&ran.stderr));
    }
    let page = run(folder.path(), &["man", "cache", "purge"]);
    assert_eq!(page.out, std::fs::read_to_string(folder.path().join("man1/edgeward-cache-purge.1")).unwrap());
    let ran = run(folder.path(), &["man", "nothing"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(64), "error: there is no command `nothing`\n"));
}

#[test]
fn several_nodes_are_purged_at_once() {
    let config = Config::new()
        .table("origin.o")
        .set("fixed", json!({ "body": "b", "headers": { "cache-control": "max-age=60" } }))
        .site_named("www", "www.example.com", "o")
        .cached();
    let edges = [Edge::start(&config), Edge::start(&config)];
    let fill = || edges.iter().for_each(|edge| drop(edge.get("/a")));
    let objects =
        |edge: &Edge| serde_json::from_str::<serde_json::Value>(&edge.admin("/cache").text()).unwrap()["memory_objects"].clone();
    let [first, second] = [edges[0].admin_address(), edges[1].admin_address()];
    let cache = |arguments: &[&str]| run(Path::new("/"), &[&["cache"], arguments].concat());

    fill();
    let both = format!("{first},{second}");
    let ran = cache(&["purge", "--host", "WWW.example.com:8080", "--path", "/a", "--admin", &both]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let line = |node: &str, number| format!("{node}: purge {number}: Completed, 1 stored responses purged\n");
    assert_eq!(ran.out, line(&first, 1) + &line(&second, 1));

    // One that is away fails the whole, is named, and does not keep the others from it.
    fill();
    let nobody = format!("127.0.0.1:{}", closed_port());
    let ran = cache(&["--admin", &first, "--admin", &nobody, "--admin", &second, "purge", "--site", "www"]);
    assert_eq!((ran.code, ran.out), (Some(1), line(&first, 2) + &line(&second, 2)));
    assert!(ran.err.contains(&format!("error: 1 of 3 nodes failed: {nobody}")), "{}", ran.err);
    eventually("nothing is stored", || edges.iter().all(|edge| objects(edge) == 0));

    // A name stands for its addresses; those of this machine are one node.
    let (_, port) = first.rsplit_once(':').unwrap();
    let ran = cache(&["purge", "--everything", "--admin", &format!("localhost:{port}")]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "purge 3: Completed, 0 stored responses purged\n"), "{}", ran.err);
    let ran = cache(&["stats", "--admin", &both]);
    let stats: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(stats[&first]["memory_objects"], 0);

    // A host that no site serves, and what excludes each other.
    let ran = cache(&["purge", "--host", "nobody.example", "--admin", &first]);
    assert!(ran.code == Some(1) && ran.err.contains("no site serves `nobody.example`"), "{}", ran.err);
    let ran = cache(&["purge", "--host", "www.example.com", "--site", "www"]);
    assert_eq!(ran.code, Some(64), "{}", ran.err);
    let ran = cache(&["stats", "--admin", "http://edge"]);
    assert!(ran.code == Some(64) && ran.err.contains("edge-1.internal:9090"), "{}", ran.err);
}
