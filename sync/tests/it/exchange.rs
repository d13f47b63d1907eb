//! Bodies of the exchange that are damaged or belong elsewhere change nothing.

use skerry_sync::{ExchangeError, ProjectName, Replica};

use crate::{NOW, all, project, replica, text};

/// The bodies of a whole conversation, requests and answers.
fn conversation() -> Vec<Vec<u8>> {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    a.publish(&project(), &[text("a", "from a")], NOW).unwrap();
    b.publish(&project(), &[text("b", "from b")], NOW).unwrap();
    let mut bodies = Vec::new();
    let mut session = a.session(&project());
    while let Some(request) = session.next_request().unwrap() {
        let answer = b.exchange(&project(), &request).unwrap();
        session.handle_response(&answer).unwrap();
        bodies.extend([request, answer]);
    }
    bodies
}

fn state(replica: &Replica) -> (String, usize, u64) {
    let version = replica.version(&project()).unwrap().to_string();
    (version, all(replica).len(), replica.sequence(&project()).unwrap())
}

/// Cut anywhere, flipped anywhere: refused as damaged, and the replica is as before.
#[test]
fn damaged_bodies_are_refused() {
    let (_dir, replica) = replica();
    replica.publish(&project(), &[text("kept", "x")], NOW).unwrap();
    let before = state(&replica);
    for body in conversation() {
        let step = (body.len() / 40).max(1);
        for at in (0..body.len()).step_by(step) {
            let refused = |body: &[u8]| matches!(replica.exchange(&project(), body), Err(ExchangeError::Damaged(_)));
            assert!(refused(&body[..at]), "cut to {at} of {}", body.len());
            let mut flipped = body.clone();
            flipped[at] ^= 1 << (at % 8);
            assert!(refused(&flipped), "flipped at {at}");
            let mut session = replica.session(&project());
            session.next_request().unwrap();
            assert!(matches!(session.handle_response(&flipped), Err(ExchangeError::Damaged(_))));
        }
    }
    assert_eq!(state(&replica), before);
}

/// A body about another project is refused, and so are changes that begin another document.
#[test]
fn foreign_bodies_are_refused() {
    let (_dir, replica) = replica();
    let other = ProjectName::parse("other").unwrap();
    let before = state(&replica);
    for body in conversation() {
        let answer = replica.exchange(&other, &body);
        assert!(matches!(answer, Err(ExchangeError::Foreign(_))), "{answer:?}");
    }
    assert_eq!(state(&replica), before);
    assert!(replica.version(&other).is_err(), "a refused body must not create a project");
}

/// The same request twice, as after a lost answer, changes nothing the second time.
#[test]
fn requests_can_be_sent_again() {
    let bodies = conversation();
    let (_dir, replica) = replica();
    for body in bodies.iter().step_by(2) {
        replica.exchange(&project(), body).unwrap();
    }
    let once = state(&replica);
    for body in bodies.iter().step_by(2) {
        replica.exchange(&project(), body).unwrap();
    }
    assert_eq!(state(&replica), once);
}
