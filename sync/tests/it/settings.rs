use skerry_sync::{Chunking, ProjectChange, Replica, Settings, WriteError};

use crate::{NOW, project, replica, sync, text};

fn settings(model: &str, tokens: u32) -> Settings {
    Settings { model: Some(model.to_owned()), chunking: Some(Chunking { tokens, overlap: tokens / 8 }) }
}

fn put(replica: &Replica, settings: &Settings) -> Result<bool, WriteError> {
    replica.put_project(&project(), ProjectChange { description: "", settings: Some(settings) }, NOW)
}

fn said(replica: &Replica) -> Settings {
    replica.project(&project()).unwrap().settings
}

/// A project's model is the same on every replica and after every restart; it can be taken back; it is no part of the version.
#[test]
fn settings_travel_and_stay() {
    let ((dir, a), (_b_dir, b)) = (replica(), replica());
    assert_eq!(said(&a), Settings::default());
    a.publish(&project(), &[text("k", "t")], NOW).unwrap();
    let version = a.version(&project()).unwrap();
    put(&a, &settings("m", 128)).unwrap();
    sync(&b, &a);
    assert_eq!((said(&a), said(&b)), (settings("m", 128), settings("m", 128)));
    assert_eq!((a.version(&project()).unwrap(), b.version(&project()).unwrap()), (version.clone(), version));
    drop(a);
    let a = Replica::open(dir.path()).unwrap();
    assert_eq!(said(&a), settings("m", 128));
    // A description leaves them alone; nothing said takes them back.
    a.create_project(&project(), "about the sea", NOW).unwrap();
    assert_eq!(said(&a), settings("m", 128));
    put(&a, &Settings::default()).unwrap();
    sync(&b, &a);
    assert_eq!((said(&a), said(&b)), (Settings::default(), Settings::default()));
}

/// Two replicas that name different models at the same time agree on one when they meet, whoever asks whom.
#[test]
fn one_of_two_models_wins_everywhere() {
    let ((_a_dir, a), (_b_dir, b), (_c_dir, c)) = (replica(), replica(), replica());
    put(&a, &settings("from a", 64)).unwrap();
    put(&b, &settings("from b", 128)).unwrap();
    sync(&a, &b);
    sync(&c, &b);
    assert_eq!((said(&a), said(&a)), (said(&b), said(&c)));
    assert!([settings("from a", 64), settings("from b", 128)].iter().any(|one| one.model == said(&a).model));
}

/// What a replica would pass over, none writes.
#[test]
fn bad_settings_are_refused() {
    let (_dir, replica) = replica();
    for bad in [settings("", 128), settings("m", 1), settings(&"m".repeat(200), 128)] {
        assert!(matches!(put(&replica, &bad), Err(WriteError::Settings(_))), "{bad:?}");
    }
    assert_eq!(said(&replica), Settings::default());
}

/// Notes are this replica's own; spans and vectors of one text under one name do not get in each other's way.
#[test]
fn notes_and_spans_are_kept() {
    let ((dir, a), (_b_dir, b)) = (replica(), replica());
    a.put_note("serving/notes", "old").unwrap();
    a.put_note("serving/notes", "m").unwrap();
    a.put_spans("m", &[("text", &[(0, 3), (2, 4)]), ("whole", &[(0, 5)])]).unwrap();
    a.put_vectors("m", &[("text", &[0.5, 0.25])]).unwrap();
    sync(&a, &b);
    drop(a);
    let a = Replica::open(dir.path()).unwrap();
    assert_eq!((a.note_of("serving/notes").unwrap().as_deref(), a.note_of("serving").unwrap()), (Some("m"), None));
    assert_eq!(b.note_of("serving/notes").unwrap(), None);
    let spans = a.spans("m", &["text", "whole", "unknown"]).unwrap();
    assert_eq!(spans, [Some(vec![(0, 3), (2, 4)]), Some(vec![(0, 5)]), None]);
    assert_eq!(a.spans("n", &["text"]).unwrap(), [None]);
    assert_eq!(a.vectors("m", &["text"]).unwrap(), [Some(vec![0.5, 0.25])]);
}
