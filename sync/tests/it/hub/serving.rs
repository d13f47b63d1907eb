//! Clients reach one another through the hub.

use skerry_sync::hub::{Access, Limits};
use skerry_sync::wire::message::Message;
use skerry_sync::{ExchangeError, ProjectName, Record, RecordKey, Replica};

use super::World;
use super::driver::{any, free, of, shard};
use crate::{NOW, all, key, text};

/// Two clients write to the same document at the same time and end up with the same.
#[test]
fn two_clients_converge() {
    let mut world = World::new(Limits::default());
    let (a, b) = (world.connect("a", any(Access::Write)), world.connect("b", any(Access::Write)));
    world.write(a, free(1), "from-a", "1");
    world.write(b, free(1), "from-b", "2");
    for round in 0..20 {
        let (writer, value) = ([a, b][round % 2], round.to_string());
        world.write(writer, free(1), "both", &value);
    }
    assert_eq!(world.client(a).heads(free(1)), world.client(b).heads(free(1)));
    for client in [a, b] {
        assert!(world.client(client).is_acknowledged(free(1)));
        let client = world.client(client);
        assert_eq!(client.value(free(1), "from-a").as_deref(), Some("1"));
        assert_eq!(client.value(free(1), "from-b").as_deref(), Some("2"));
        assert_eq!(client.value(free(1), "both").as_deref(), Some("19"));
        assert_eq!(client.told, Vec::<String>::new());
    }
    let stored = world.store.borrow().document(free(1)).get_heads();
    assert_eq!(stored, world.client(a).heads(free(1)));
}

/// A document that nobody has is unavailable; when somebody brings it, whoever asked gets it.
#[test]
fn a_document_that_comes_later_is_sent_to_whoever_asked() {
    let mut world = World::new(Limits::default());
    let (a, b) = (world.connect("a", any(Access::Read)), world.connect("b", any(Access::Write)));
    world.sync(a, free(1));
    assert_eq!(world.client(a).unavailable, [free(1).to_string()]);
    world.write(b, free(1), "here", "now");
    assert_eq!(world.client(a).value(free(1), "here").as_deref(), Some("now"));
}

/// Whoever comes back after a pause gets what was written meanwhile, also from a hub that was started again.
#[test]
fn changes_wait_for_those_who_are_away() {
    let mut world = World::new(Limits::default());
    let a = world.connect("a", any(Access::Write));
    world.write(a, free(1), "k", "1");
    let mut world = World::on(Limits::default(), world.store.clone(), "hub");
    let b = world.connect("b", any(Access::Write));
    world.sync(b, free(1));
    assert_eq!(world.client(b).value(free(1), "k").as_deref(), Some("1"));
}

/// A project that somebody else has looks exactly like one that nobody has.
#[test]
fn other_projects_look_like_missing_documents() {
    let mut world = World::new(Limits::default());
    let (a, b) = (world.connect("a", of("mine", Access::Write)), world.connect("b", of("theirs", Access::Write)));
    world.sync(b, shard("theirs", 3));
    assert!(
        world.client(b).heads(shard("theirs", 3)).len() == 1,
        "the document begins with the project's first change"
    );
    for other in [shard("theirs", 3), shard("nobodys", 3), free(9)] {
        world.sync(a, other);
        assert_eq!(world.client(a).unavailable.pop(), Some(other.to_string()));
        assert_eq!(world.client(a).heads(other), []);
    }
    // What it writes there arrives nowhere, and it is told the same.
    world.write(a, shard("theirs", 3), "intruder", "x");
    assert_eq!(world.client(a).unavailable.len(), 1);
    assert_eq!(world.client(b).value(shard("theirs", 3), "intruder"), None);
    assert!(world.store.borrow().chunks.is_empty());
    assert_eq!(world.client(a).closed, None);
}

/// A reader gets everything; what it writes is refused, it is told so once for each document, and it stays.
#[test]
fn readers_read_only() {
    let mut world = World::new(Limits::default());
    let (a, b) = (world.connect("a", any(Access::Write)), world.connect("b", any(Access::Read)));
    world.write(a, free(1), "k", "1");
    world.sync(b, free(1));
    world.write(b, free(1), "refused", "x");
    world.write(b, free(1), "refused", "y");
    world.write(a, free(1), "k", "2");
    let stored = world.store.borrow().document(free(1)).get_heads();
    assert_eq!(stored, world.client(a).heads(free(1)));
    assert_eq!(world.client(a).value(free(1), "refused"), None);
    let reader = world.client(b);
    assert_eq!(reader.value(free(1), "k").as_deref(), Some("2"));
    assert_eq!(reader.closed, None);
    assert_eq!(reader.told.len(), 1, "{:?}", reader.told);
    assert!(reader.told[0].contains("allows only reading"), "{:?}", reader.told);
}

/// Ephemeral messages reach whoever has the document open, once, and other hubs once.
#[test]
fn ephemeral_messages_are_passed_on() {
    let mut world = World::new(Limits::default());
    let clients = ["a", "b", "c"].map(|name| world.connect(name, any(Access::Read)));
    let [a, b, c] = clients;
    world.sync(a, free(1));
    world.sync(b, free(1));
    world.sync(c, free(2));
    let cursor = |count| Message::Ephemeral {
        sender: "a".into(),
        target: "hub".into(),
        document: free(1).to_string(),
        count,
        session: "s".into(),
        data: vec![1, 2, 3],
    };
    for count in [1, 1, 3, 2] {
        world.say(a, &cursor(count));
    }
    let counts = |messages: &[Message]| {
        let count = |message: &Message| match message {
            Message::Ephemeral { sender, target, count, .. } => (sender.clone(), target.clone(), *count),
            other => panic!("{other:?}"),
        };
        messages.iter().map(count).collect::<Vec<_>>()
    };
    let name = |count| ("a".to_owned(), "b".to_owned(), count);
    assert_eq!(counts(&world.client(b).ephemeral), [name(1), name(3)]);
    assert_eq!((world.client(a).ephemeral.len(), world.client(c).ephemeral.len()), (0, 0));
    // Another hub passes on what was relayed to it, and does not relay it again.
    let mut other = World::on(Limits::default(), world.store.clone(), "hub");
    let d = other.connect("d", any(Access::Read));
    other.sync(d, free(1));
    assert_eq!(world.relayed.len(), 2);
    for (document, frame) in world.relayed.clone() {
        other.event(skerry_sync::hub::Event::Relayed { document, frame });
    }
    assert_eq!(counts(&other.client(d).ephemeral), [1, 3].map(|count| ("a".to_owned(), "d".to_owned(), count)));
    assert!(other.relayed.is_empty());
}

/// What another hub stored arrives at clients here: of documents in memory and of those that are not.
#[test]
fn notices_of_other_hubs_reach_clients() {
    for budget in [Limits::default().documents_bytes_max, 0] {
        let limits = Limits { documents_bytes_max: budget, ..Limits::default() };
        let mut here = World::new(limits.clone());
        let mut there = World::on(limits, here.store.clone(), "hub");
        let (a, b) = (here.connect("a", any(Access::Write)), there.connect("b", any(Access::Write)));
        here.write(a, free(1), "k", "1");
        there.sync(b, free(1));
        there.write(b, free(1), "k", "2");
        for (document, chunk) in std::mem::take(&mut there.announced) {
            here.event(skerry_sync::hub::Event::Noticed { document, chunk });
        }
        assert_eq!(here.client(a).value(free(1), "k").as_deref(), Some("2"), "budget {budget}");
        there.write(b, free(1), "k", "3");
        here.event(skerry_sync::hub::Event::Missed);
        assert_eq!(here.client(a).value(free(1), "k").as_deref(), Some("3"), "budget {budget}");
    }
}

fn replica(project: &ProjectName) -> (tempfile::TempDir, Replica) {
    let dir = tempfile::tempdir().unwrap();
    let replica = Replica::open(dir.path()).unwrap();
    replica.create_project(project, "", NOW).unwrap();
    (dir, replica)
}

/// Runs a replica's session against the hub; answers how many requests it took.
fn session(world: &mut World, replica: &Replica, project: &ProjectName) -> u32 {
    let mut session = replica.session(project);
    while let Some(request) = session.next_request().unwrap() {
        let answer = world.exchange(of(project.as_str(), Access::Write), project, request).unwrap();
        session.handle_response(&answer).unwrap();
    }
    session.summary().rounds
}

/// Replicas that never met end up the same by the hub's exchange, in as many rounds as with a replica for a hub.
#[test]
fn the_exchange_is_that_of_a_replica() {
    let project = ProjectName::parse("notes").unwrap();
    let ((_a_dir, a), (_b_dir, b), (_c_dir, c)) = (replica(&project), replica(&project), replica(&project));
    let record = |name: &str| Record::text(RecordKey::parse(name).unwrap(), name);
    a.publish(&project, &(0..300).map(|number| record(&format!("a{number}"))).collect::<Vec<_>>(), NOW).unwrap();
    b.publish(&project, &(0..300).map(|number| record(&format!("b{number}"))).collect::<Vec<_>>(), NOW).unwrap();
    let mut world = World::new(Limits::default());
    for replica in [&a, &b, &a] {
        let mut twin = replica.session(&project);
        let mut rounds = 0;
        // The same requests to both: the answers are the same bytes as long as both hold the same.
        while let Some(request) = twin.next_request().unwrap() {
            let expected = c.exchange(&project, &request).unwrap();
            let answer = world.exchange(of("notes", Access::Write), &project, request).unwrap();
            assert_eq!(answer, expected, "round {rounds}");
            twin.handle_response(&answer).unwrap();
            rounds += 1;
        }
    }
    assert_eq!(a.version(&project).unwrap(), b.version(&project).unwrap());
    assert_eq!(a.version(&project).unwrap(), c.version(&project).unwrap());
    assert_eq!(all(&a).len(), 600);
    assert_eq!(session(&mut world, &a, &project), 1, "nothing is left to say");
}

/// What comes by the exchange reaches connected clients, and the other way round.
#[test]
fn exchange_and_connections_meet() {
    let project = ProjectName::parse("notes").unwrap();
    let (_dir, replica) = replica(&project);
    let mut world = World::new(Limits::default());
    let client = world.connect("client", of("notes", Access::Write));
    let documents: Vec<_> = (0..64).map(|number| shard("notes", number)).collect();
    documents.iter().for_each(|document| world.sync(client, *document));
    replica.publish(&project, &[text("one", "x")], NOW).unwrap();
    session(&mut world, &replica, &project);
    let here = documents
        .iter()
        .filter(|document| world.clients[&client].heads(**document) != genesis_heads(&world, **document));
    assert_eq!(here.count(), 1);
    // The client's store is a replica's: what it has is what the records say.
    let (_other_dir, other) = self::replica(&project);
    session(&mut world, &other, &project);
    assert_eq!(other.get(&project, &key("one")).unwrap(), replica.get(&project, &key("one")).unwrap());
}

fn genesis_heads(world: &World, document: skerry_sync::document::DocumentId) -> Vec<automerge::ChangeHash> {
    if world.store.borrow().chunks.contains_key(&document) {
        Vec::new()
    } else {
        world.clients.values().next().unwrap().heads(document)
    }
}

/// Bodies that are damaged, foreign, or hold changes of a reader are refused, and nothing is stored.
#[test]
fn refused_bodies_change_nothing() {
    let project = ProjectName::parse("notes").unwrap();
    let (_dir, replica) = replica(&project);
    replica.publish(&project, &[text("one", "x")], NOW).unwrap();
    let mut world = World::new(Limits::default());
    let mut session = replica.session(&project);
    let opening = session.next_request().unwrap().unwrap();
    let answer = world.exchange(of("notes", Access::Read), &project, opening.clone()).unwrap();
    session.handle_response(&answer).unwrap();
    let changes = session.next_request().unwrap().unwrap();
    let refused = world.exchange(of("notes", Access::Read), &project, changes.clone());
    assert!(matches!(refused, Err(ExchangeError::ReadOnly)), "{refused:?}");
    let other = ProjectName::parse("other").unwrap();
    let refused = world.exchange(of("notes", Access::Write), &other, changes.clone());
    assert!(matches!(refused, Err(ExchangeError::Read(_))), "{refused:?}");
    let refused = world.exchange(of("other", Access::Write), &other, changes.clone());
    assert!(matches!(refused, Err(ExchangeError::Foreign(_))), "{refused:?}");
    let refused = world.exchange(of("notes", Access::Write), &project, changes[..changes.len() - 1].to_vec());
    assert!(matches!(refused, Err(ExchangeError::Damaged(_))), "{refused:?}");
    assert!(world.store.borrow().chunks.is_empty());
    world.exchange(of("notes", Access::Write), &project, changes).unwrap();
    assert_eq!(world.store.borrow().chunks.len(), 1);
}
