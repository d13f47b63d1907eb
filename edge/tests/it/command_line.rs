//! The command line as people use it, on folders without a node and through one.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::process::{Server, fails, ok, run, skerry};

/// Runs a command with something on its standard input.
fn pipe(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = skerry();
    command.arg("--data").arg(data).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that was asked wrongly does not read it.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

/// Every kind of input ends up as records, offline, and is found.
#[test]
fn every_kind_of_input_is_published() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, files) = (data.path(), files.path());
    std::fs::write(files.join("one.json"), r#"{"key": "json", "text": "A record from JSON"}"#).unwrap();
    std::fs::write(
        files.join("many.jsonl"),
        "{\"key\":\"l1\",\"text\":\"first line\"}\r\n{\"key\":\"l2\",\"text\":\"second line\"}\n",
    )
    .unwrap();
    std::fs::write(files.join("note.md"), "# Sourdough\n\nFeed the *starter* daily.").unwrap();
    std::fs::write(files.join("plain.txt"), "The ferry leaves at six").unwrap();
    std::fs::write(files.join("image.png"), [0x89, 0x50]).unwrap();
    let output = run(data, &["publish", files.to_str().unwrap()]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("published 5 records (5 changed)"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("image.png"), "what was left out is said");
    assert!(
        ok(data, &["publish", files.to_str().unwrap()]).contains("(0 changed)"),
        "publishing again changes nothing"
    );

    assert!(pipe(data, &["publish", "-"], "[{\"key\": \"piped\", \"text\": \"from a pipe\"}]").status.success());
    ok(data, &["publish", "--text", "Typed at the prompt", "--key", "typed"]);

    let found = ok(data, &["query", "when does the boat go", "-k", "1"]);
    assert!(found.contains("plain.txt"), "{found}");
    let record: Value = serde_json::from_str(&ok(data, &["get", "note.md"])).unwrap();
    assert_eq!(record["data"]["title"], "Sourdough");
    let filtered: Value = serde_json::from_str(&ok(data, &["--json", "query", "--filter", "key ^= l"])).unwrap();
    assert_eq!(filtered["hits"].as_array().unwrap().len(), 2);
    assert!(ok(data, &["delete", "piped", "absent"]).contains("deleted 1 of 2"));
    assert!(fails(data, &["get", "piped"]).contains("There is no record `piped`"));
    assert!(ok(data, &["status"]).contains("default"));
}

/// A mistake in a file: its place, and nothing of the file published.
#[test]
fn a_broken_file_is_not_published() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = files.path().join("broken.jsonl");
    std::fs::write(&file, "{\"key\":\"good\"}\n{\"key\":\"bad\",}\n").unwrap();
    let complaint = fails(data.path(), &["publish", file.to_str().unwrap()]);
    assert!(complaint.contains("broken.jsonl:2:14"), "{complaint}");
    assert!(fails(data.path(), &["get", "good"]).contains("There is no project"));
    assert!(fails(data.path(), &["publish", "absent.json"]).contains("absent.json"));
    // A record that breaks a limit stands in the second batch: the first must not be published either.
    let good: Vec<String> = (0..70).map(|index| format!("{{\"key\":\"k{index}\"}}\n")).collect();
    std::fs::write(&file, good.concat() + "{\"key\":\"bad\\u0007\"}\n").unwrap();
    let complaint = fails(data.path(), &["publish", file.to_str().unwrap()]);
    assert!(complaint.contains("broken.jsonl:71: the record `bad\\u{7}`"), "{complaint}");
    assert!(fails(data.path(), &["get", "k0"]).contains("There is no project"));
    let json = run(data.path(), &["--json", "get", "x"]);
    let problem: Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!(problem["type"], "urn:skerry:problem:unknown-project");
    assert_eq!(run(data.path(), &["nonsense"]).status.code(), Some(2));
}

/// An empty pipe (the program in front of it failed) publishes nothing; a byte order mark does not make a text of JSON.
#[test]
fn standard_input_is_read_with_care() {
    let data = tempfile::tempdir().unwrap();
    let empty = pipe(data.path(), &["publish", "-", "--key", "k"], "\n");
    let complaint = String::from_utf8_lossy(&empty.stderr).into_owned();
    assert!(
        empty.status.code() == Some(1) && complaint.contains("standard input is empty. Send records"),
        "{complaint}"
    );
    assert!(fails(data.path(), &["get", "k"]).contains("There is no project"));
    assert!(pipe(data.path(), &["publish", "-"], "\u{feff}{\"key\": \"marked\"}").status.success());
    ok(data.path(), &["get", "marked"]);
}

/// A key that is given is the record's key, or is refused; it was passed over for files.
#[test]
fn a_given_key_is_used() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = |name: &str, text: &str| {
        std::fs::write(files.path().join(name), text).unwrap();
        files.path().join(name).to_str().unwrap().to_owned()
    };
    let (note, text, json) = (file("a.md", "# A"), file("b.txt", "b"), file("c.json", "{\"key\":\"c\"}"));
    ok(data.path(), &["publish", &note, "--key", "mine"]);
    assert!(ok(data.path(), &["get", "mine"]).contains("\"title\": \"A\""));
    let folder = files.path().to_str().unwrap();
    for (paths, why) in
        [(vec![note.as_str(), &text], "several files"), (vec![folder], "a folder"), (vec![&json], "own keys")]
    {
        let output = run(data.path(), &[&["publish", "--key", "k"], paths.as_slice()].concat());
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && complaint.contains(why), "{paths:?}: {complaint}");
    }
}

/// Links in a folder are not followed, and that is said.
#[cfg(unix)]
#[test]
fn links_in_a_folder_are_reported() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(files.path().join("a.txt"), "a").unwrap();
    std::os::unix::fs::symlink("a.txt", files.path().join("link.txt")).unwrap();
    let output = run(data.path(), &["publish", files.path().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("link.txt: a link, which is not followed"), "{said}");
}

/// Front matter was taken for a heading. It becomes metadata; what cannot be read of it is named.
#[test]
fn front_matter_becomes_metadata() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let note = files.path().join("note.md");
    std::fs::write(&note, "---\r\ntitle: Tides\r\nstars: 4\r\ntags:\r\n  - sea\r\n---\r\n# Ebb\r\n\r\nLow water.\r\n")
        .unwrap();
    let output = run(data.path(), &["publish", note.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("note.md: left out `tags` of its front matter"), "{said}");
    let record: Value = serde_json::from_str(&ok(data.path(), &["get", "note.md"])).unwrap();
    assert_eq!(record["metadata"], serde_json::json!({"title": "Tides", "stars": 4}));
    assert_eq!((&record["data"]["title"], &record["text"]), (&"Tides".into(), &"Tides\n\nEbb\n\nLow water.".into()));
}

/// A document checked out on Windows is the record that it is elsewhere: publishing it again changes nothing.
#[test]
fn line_ends_do_not_matter() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let publish = |end: &str| {
        for name in ["a.txt", "b.md"] {
            std::fs::write(files.path().join(name), "# Tide\n\n    code\n    more\n".replace('\n', end)).unwrap();
        }
        ok(data.path(), &["publish", files.path().to_str().unwrap()])
    };
    assert!(publish("\n").contains("(2 changed)"));
    assert!(publish("\r\n").contains("(0 changed)"));
}

/// Two files of one name would become one record; both are named, and what to do instead.
#[test]
fn two_files_do_not_become_one_record() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let paths = ["a", "b"].map(|folder| {
        std::fs::create_dir(files.path().join(folder)).unwrap();
        let path = files.path().join(folder).join("n.txt");
        std::fs::write(&path, folder).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let complaint = fails(data.path(), &["publish", &paths[0], &paths[1]]);
    assert!(paths.iter().all(|path| complaint.contains(path.as_str())), "{complaint}");
    assert!(complaint.contains("the record `n.txt`") && complaint.contains("--key"), "{complaint}");
    assert!(fails(data.path(), &["get", "n.txt"]).contains("There is no project"));
    ok(data.path(), &["publish", files.path().to_str().unwrap()]);
    assert!(ok(data.path(), &["get", "b/n.txt"]).contains("\"text\": \"b\""));
}

/// What is exported from one folder is imported into another, record for record; a file cut short is not.
#[test]
fn an_export_is_imported() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (key, text) in [("a", "one"), ("b/c d", "two"), ("ü&+", "three")] {
        ok(a.path(), &["publish", "--text", text, "--key", key]);
    }
    let file = a.path().join("out.jsonl");
    let file = file.to_str().unwrap();
    ok(a.path(), &["export", "-o", file]);
    assert!(ok(b.path(), &["import", file]).contains("imported 3 records (3 changed)"));
    let records = |text: String| text.lines().skip(1).take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(records(ok(a.path(), &["export"])), records(ok(b.path(), &["export"])));
    let whole = std::fs::read(file).unwrap();
    std::fs::write(file, &whole[..whole.len() - 30]).unwrap();
    assert!(fails(b.path(), &["import", file]).contains("cut short"));
}

/// `skerry query x | head -1`: a reader that has seen enough is no reason for a panic.
#[test]
fn a_closed_pipe_is_quiet() {
    let data = tempfile::tempdir().unwrap();
    ok(data.path(), &["publish", "--text", "High water at noon", "--key", "tide"]);
    for arguments in [["query", "water"].as_slice(), &["status"], &["export"], &["get", "tide"], &["delete", "tide"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = skerry().arg("--data").arg(data.path()).args(arguments).stdout(writer).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && complaint.is_empty(), "{arguments:?}: {complaint}");
    }
}

/// A proxy that is set for the web must not come between a command, or a node that syncs, and a node on this machine.
#[test]
fn a_proxy_is_not_asked_for_this_machine() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(a.path());
    let behind_proxy = |arguments: &[&str]| {
        let mut command = skerry();
        command.arg("--data").arg(b.path()).args(arguments).env_remove("NO_PROXY").env_remove("no_proxy");
        for name in ["ALL_PROXY", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY"] {
            // Nothing listens on the port of the discard service.
            command.env(name, "http://127.0.0.1:9");
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    behind_proxy(&["--url", &server.url, "publish", "--text", "one", "--key", "k"]);
    behind_proxy(&["sync", &server.url]);
    behind_proxy(&["get", "k"]);
}

/// 64 records of the largest text that a record may have are more than one request may carry.
#[test]
fn large_records_are_published() {
    let (data, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = files.path().join("large.jsonl");
    let text = "a ".repeat(1 << 19);
    let line = |index| format!("{{\"key\":\"k{index}\",\"text\":\"{text}\"}}\n");
    std::fs::write(&file, (0..64).map(line).collect::<Vec<_>>().concat()).unwrap();
    assert!(ok(data.path(), &["publish", file.to_str().unwrap()]).contains("published 64 records (64 changed)"));
}

/// One of several values, without writing the filter as JSON.
#[test]
fn a_filter_takes_a_list() {
    let data = tempfile::tempdir().unwrap();
    let records = r#"[{"key":"a","layers":["x"]},{"key":"b","layers":["y, z"]},{"key":"c","layers":["w"]}]"#;
    assert!(pipe(data.path(), &["publish", "-"], records).status.success());
    let found = ok(data.path(), &["--json", "query", "--filter", "layer in (x, \"y, z\")"]);
    let found: Value = serde_json::from_str(&found).unwrap();
    let keys: Vec<&str> = found["hits"].as_array().unwrap().iter().filter_map(|hit| hit["key"].as_str()).collect();
    assert_eq!(keys, ["a", "b"]);
}

/// A filter that cannot be read is a mistake of whoever asks, as an unknown argument is.
#[test]
fn an_unreadable_filter_is_asked_wrongly() {
    let data = tempfile::tempdir().unwrap();
    for filter in ["data.severity", "data.a >", "{\"all\""] {
        let output = run(data.path(), &["query", "--filter", filter]);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && complaint.contains("the filter"), "{filter}: {complaint}");
    }
}

/// The help of the commands that move files shows how they are used.
#[test]
fn help_has_examples() {
    let data = tempfile::tempdir().unwrap();
    assert!(ok(data.path(), &["import", "--help"]).contains("skerry import -p cwe"));
    assert!(ok(data.path(), &["export", "--help"]).contains("skerry export -o"));
}

/// An import describes a project that nobody described; what somebody said of theirs stays.
#[test]
fn an_import_keeps_the_description() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = Server::start(a.path());
    let describe = |project: &str, text: &str| {
        let body = serde_json::json!({"description": text});
        assert!(matches!(node.request("PUT", &format!("/projects/{project}"), Some(&body)).unwrap().0, 200 | 201));
    };
    let description =
        |project: &str| node.request("GET", &format!("/projects/{project}"), None).unwrap().1["description"].clone();
    describe("from", "of the export");
    describe("mine", "my own");
    describe("bare", "");
    ok(a.path(), &["publish", "-p", "from", "--text", "one", "--key", "k"]);
    let file = b.path().join("out.jsonl");
    let file = file.to_str().unwrap();
    ok(a.path(), &["export", "-p", "from", "-o", file]);
    for project in ["mine", "bare", "new"] {
        ok(a.path(), &["import", "-p", project, file]);
    }
    assert_eq!(
        [description("mine"), description("bare"), description("new")],
        ["my own", "of the export", "of the export"]
    );
}

/// One folder, one owner: a second node is refused with what to do; commands on the folder go through the node.
#[test]
fn a_second_node_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let refused = fails(data.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(refused.contains("in use by another process"), "{refused}");
    ok(data.path(), &["publish", "--text", "through the node", "--key", "k"]);
    let (status, record) = server.request("GET", "/projects/default/records/k", None).unwrap();
    assert_eq!((status, record["text"].as_str()), (200, Some("through the node")));
}

/// Logs are JSON, a line an event, and carry the id that the caller gave or got.
#[test]
fn logs_carry_request_ids() {
    let data = tempfile::tempdir().unwrap();
    let log_path = data.path().join("log");
    let mut command = skerry();
    command.env("SKERRY_LOG", "info").stderr(std::fs::File::create(&log_path).unwrap());
    command.arg("--data").arg(data.path()).args(["serve", "--listen", "127.0.0.1:0"]);
    let mut server = Server::spawn(command);
    let url = format!("{}/api/v1/projects", server.url);
    let response = ureq::get(url).header("x-request-id", "of-the-caller").call().unwrap();
    assert_eq!(response.headers()["x-request-id"], "of-the-caller");
    server.kill();
    let log = std::fs::read_to_string(&log_path).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let answered = lines.iter().find(|line| line["message"] == "answered").expect("the request is logged");
    assert_eq!((&answered["span"]["request_id"], &answered["status"]), (&"of-the-caller".into(), &200.into()));
    assert!(answered["latency_ms"].is_number());
}

/// A killed node leaves its notice behind; whatever answers at its old address is another folder's node and must not get
/// what is meant for this one.
#[test]
fn a_stale_notice_is_not_trusted() {
    let (killed, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut first = Server::start(killed.path());
    first.kill();
    let second = Server::start(other.path());
    let notice = killed.path().join("node.json");
    let mut stale: Value = serde_json::from_slice(&std::fs::read(&notice).unwrap()).unwrap();
    stale["address"] = second.url.clone().into();
    std::fs::write(&notice, stale.to_string()).unwrap();
    ok(killed.path(), &["publish", "--text", "mine", "--key", "k"]);
    assert_eq!(second.request("GET", "/projects/default", None).unwrap().0, 404);
    assert!(ok(killed.path(), &["get", "k"]).contains("mine"));
}

/// Off loopback a key is needed; the refusal says so before anything is opened.
#[test]
fn listening_to_the_world_needs_a_key() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("untouched");
    let refused = fails(&folder, &["serve", "--listen", "0.0.0.0:0"]);
    assert!(refused.contains("--api-key"), "{refused}");
    assert!(!folder.exists());
    let mut command = skerry();
    command.arg("--data").arg(&folder).args(["--api-key", "secret", "serve", "--listen", "127.0.0.1:0"]);
    let server = Server::spawn(command);
    assert_eq!(server.request("GET", "/projects", None).unwrap().0, 401);
    let with_key = skerry().args(["--url", &server.url, "--api-key", "secret", "status"]).output().unwrap();
    assert!(with_key.status.success());
}

/// A full disk (a limit on the file's size stands for it): 507, nothing acknowledged lost, health tells, and with room
/// again everything goes on.
#[cfg(unix)]
#[test]
fn a_full_disk_is_a_clear_error() {
    let data = tempfile::tempdir().unwrap();
    ok(data.path(), &["publish", "--text", "before", "--key", "before"]);
    let mut command = std::process::Command::new("bash");
    // Writes behind the limit fail instead of killing the process, as on a full disk.
    let script = "trap '' XFSZ; ulimit -f 6144; exec \"$0\" \"$@\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_skerry")]).arg("--data").arg(data.path());
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("SKERRY_COMPONENTS", crate::components_dir())
        .env("SKERRY_LOG", "off");
    let server = Server::spawn(command);
    let text = "word ".repeat(100_000);
    let mut stored = Vec::new();
    let refusal = loop {
        let key = format!("large{}", stored.len());
        let body = serde_json::json!({"records": [{"key": key, "text": format!("{key} {text}")}]});
        match server.request("POST", "/projects/default/records", Some(&body)).unwrap() {
            (200, _) => stored.push(key),
            other => break other,
        }
        assert!(stored.len() < 100, "the limit was never reached");
    };
    assert_eq!((refusal.0, refusal.1["type"].as_str()), (507, Some("urn:skerry:problem:store-full")), "{}", refusal.1);
    assert_eq!(server.request("GET", "/health", None).unwrap().0, 503);
    drop(server);
    let server = Server::start(data.path());
    for key in stored.iter().map(String::as_str).chain(["before"]) {
        assert_eq!(server.request("GET", &format!("/projects/default/records/{key}"), None).unwrap().0, 200, "{key}");
    }
    let body = serde_json::json!({"records": [{"key": "after", "text": "after"}]});
    assert_eq!(server.request("POST", "/projects/default/records", Some(&body)).unwrap().0, 200);
    assert_eq!(server.request("GET", "/health", None).unwrap().0, 200);
}

/// A store that was cut short is said to be damaged, with what to do, and is not replaced.
#[test]
fn a_store_cut_short_is_said_so() {
    let data = tempfile::tempdir().unwrap();
    ok(data.path(), &["publish", "--text", "x", "--key", "k"]);
    let store = data.path().join("store.redb");
    let length = std::fs::metadata(&store).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&store).unwrap().set_len(length / 3).unwrap();
    let complaint = fails(data.path(), &["get", "k"]);
    assert!(complaint.contains("is damaged") && complaint.contains("sync it with another replica"), "{complaint}");
    assert_eq!(std::fs::metadata(&store).unwrap().len(), length / 3, "the evidence stays");
}
