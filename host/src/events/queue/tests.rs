//! The queue, and the same done to a model of it.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::events::event::Head;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn event(id: &str) -> QueuedEvent<()> {
    let head = Head { id: id.to_owned(), accepted_ms: 0, attempts: 0, put_off: 0, receiver: () };
    QueuedEvent { head, payload: Bytes::from_static(b"{}") }
}

fn opened(folder: &Path) -> Arc<EventQueue> {
    // The thread that writes lets go of the file after the queue before is dropped.
    let backlog = loop {
        match Backlog::open(folder) {
            Err(StoreError::InUse(_)) => std::thread::yield_now(),
            opened => break opened.unwrap(),
        }
    };
    EventQueue::new(backlog, EventClock::default()).unwrap()
}

async fn claimed(queue: &Arc<EventQueue>, line: &Arc<EventLine>) -> EventClaim<()> {
    queue.claim(line).await.unwrap().expect("something waits")
}

#[tokio::test]
async fn an_event_is_claimed_once_and_is_gone_when_it_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let queue = opened(folder.path());
    queue.accept("f", &event("1")).await.unwrap();
    queue.accept("f", &event("2")).await.unwrap();
    assert_eq!(&*queue.opened().await, "f");
    let line = queue.line("f");
    let (one, two) = (claimed(&queue, &line).await, claimed(&queue, &line).await);
    assert_eq!((one.event.head.id.as_str(), two.event.head.id.as_str()), ("1", "2"));
    one.done(Vec::new()).await;
    assert_eq!(queue.totals().unwrap()["f"].entries, 1);
    assert!(!queue.leave(&line), "one is worked on");
    two.done(Vec::new()).await;
    assert!(queue.claim::<()>(&line).await.unwrap().is_none());
    assert!(queue.leave(&line));
    queue.accept("f", &event("3")).await.unwrap();
    assert_eq!(&*queue.opened().await, "f", "told again");
}

#[tokio::test]
async fn a_claim_that_is_dropped_leaves_its_event_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let queue = opened(folder.path());
    queue.accept("f", &event("1")).await.unwrap();
    let line = queue.line("f");
    drop(claimed(&queue, &line).await);
    let again = claimed(&queue, &line).await;
    assert_eq!(again.event, event("1"));
    // As if the process had died.
    drop((again, line, queue));
    let queue = opened(folder.path());
    assert_eq!(&*queue.opened().await, "f");
    let line = queue.line("f");
    assert_eq!(claimed(&queue, &line).await.event, event("1"));
}

#[tokio::test]
async fn an_event_whose_caller_leaves_before_it_is_on_disk_is_worked_on() {
    let folder = tempfile::tempdir().unwrap();
    let queue = opened(folder.path());
    queue.accept("f", &event("0")).await.unwrap();
    let line = queue.line("f");
    claimed(&queue, &line).await.done(Vec::new()).await;
    assert!(queue.claim::<()>(&line).await.unwrap().is_none(), "from now on it is noted, or not seen");
    let leaving = event("1");
    let mut accepting = Box::pin(queue.accept("f", &leaving));
    std::future::poll_fn(|context| {
        assert!(accepting.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(accepting);
    let claim = tokio::time::timeout(PATIENCE, async {
        loop {
            match queue.claim::<()>(&line).await.unwrap() {
                Some(claim) => return claim,
                None => tokio::task::yield_now().await,
            }
        }
    });
    assert_eq!(claim.await.expect("it is noted").event.head.id, "1");
}

/// Whoever leaves a line while an event arrives in it must be followed by another, and what a reader has seen before its arrival was
/// noted must not come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_that_arrives_while_its_line_is_read_or_left_is_worked_on_once() {
    let folder = tempfile::tempdir().unwrap();
    let queue = opened(folder.path());
    let claims = Arc::new(AtomicU64::new(0));
    let follower = tokio::spawn({
        let (queue, claims) = (queue.clone(), claims.clone());
        async move {
            loop {
                let (queue, line, claims) = (queue.clone(), queue.line(&queue.opened().await), claims.clone());
                tokio::spawn(async move {
                    loop {
                        match queue.claim::<()>(&line).await.unwrap() {
                            Some(claim) => {
                                claims.fetch_add(1, Ordering::Relaxed);
                                claim.done(Vec::new()).await;
                            }
                            None if queue.leave(&line) => return,
                            None => {}
                        }
                    }
                });
            }
        }
    });
    let rounds = async {
        for _ in 0..400 {
            // The others are often in the commit that ends the first: the line is read, or left, just when they arrive.
            let (one, two, three) = (event("1"), event("2"), event("3"));
            let (one, two, three) = tokio::join!(queue.accept("f", &one), queue.accept("f", &two), queue.accept("f", &three));
            one.and(two).and(three).unwrap();
            queue.accept("f", &event("4")).await.unwrap();
            while !queue.totals().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, rounds).await;
    assert!(ended.is_ok(), "{:?} wait, and nobody works on them", queue.totals());
    // Whoever has noted an event too late would have it claimed by now.
    let line = queue.line("f");
    while !queue.leave(&line) {
        tokio::task::yield_now().await;
    }
    follower.abort();
    assert_eq!(claims.load(Ordering::Relaxed), 1_600);
}

#[tokio::test]
async fn an_event_that_is_put_off_is_due_when_its_time_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let queue = opened(folder.path());
    queue.accept("f", &event("1")).await.unwrap();
    let line = queue.line("f");
    let mut claim = claimed(&queue, &line).await;
    claim.event.head.attempts = 1;
    claim.again(60_000).await;
    queue.accept("f", &event("2")).await.unwrap();
    let two = claimed(&queue, &line).await;
    assert_eq!(two.event.head.id, "2");
    queue.clock.advance(Duration::from_mins(1));
    let again = claimed(&queue, &line).await;
    assert_eq!((again.event.head.id.as_str(), again.event.head.attempts), ("1", 1));
    // At once: in the place where it was.
    again.again(0).await;
    assert_eq!(claimed(&queue, &line).await.event.head.id, "1");
}

#[tokio::test]
async fn what_follows_from_an_event_is_there_when_the_event_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let queue = opened(folder.path());
    queue.accept("f", &event("1")).await.unwrap();
    let line = queue.line("f");
    let delivery = queue.prepare("destination", &event("record")).unwrap();
    claimed(&queue, &line).await.done(vec![delivery]).await;
    assert_eq!(queue.totals().unwrap().into_keys().collect::<Vec<_>>(), ["destination"]);
    assert_eq!(claimed(&queue, &queue.line("destination")).await.event.head.id, "record");
}

#[tokio::test]
async fn bytes_that_are_no_event_are_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let queue = opened(folder.path());
    let entry = LineEntry { place: LinePlace { due_ms: 0, number: 0 }, bytes: Bytes::from_static(b"nonsense") };
    queue.backlog.change(vec![LineChange::Put { line: "f".into(), entry }]).await.unwrap();
    queue.accept("f", &event("1")).await.unwrap();
    assert_eq!(claimed(&queue, &queue.line("f")).await.event.head.id, "1");
    assert_eq!(queue.totals().unwrap()[UNREADABLE].entries, 1);
}

/// What is done with a queue.
#[derive(Debug, Clone)]
enum Step {
    Accept,
    Claim,
    /// Of the claims that are held, one.
    Done(prop::sample::Index),
    Again(prop::sample::Index, u64),
    Drop(prop::sample::Index),
    Advance(u64),
    Die,
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => Just(Step::Accept),
        4 => Just(Step::Claim),
        2 => index().prop_map(Step::Done),
        1 => (index(), 0..3_u64).prop_map(|(index, minutes)| Step::Again(index, minutes)),
        1 => index().prop_map(Step::Drop),
        1 => (1..3_u64).prop_map(Step::Advance),
        1 => Just(Step::Die),
    ]
}

/// An event of the model.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Modelled {
    due_ms: u64,
    is_claimed: bool,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is done, and however often the process dies: what is claimed is due, nobody else has claimed it and it is not over;
    /// and in the end all that is not over is there, once.
    #[test]
    fn no_event_is_lost_and_none_comes_back(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let mut queue = opened(folder.path());
            let mut ahead = Duration::ZERO;
            let mut model: BTreeMap<String, Modelled> = BTreeMap::new();
            let mut claims: Vec<EventClaim<()>> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Accept => {
                        let id = number.to_string();
                        queue.accept("f", &event(&id)).await.unwrap();
                        model.insert(id, Modelled { due_ms: queue.clock.now_ms(), is_claimed: false });
                    }
                    Step::Claim => {
                        let now_ms = queue.clock.now_ms();
                        if !model.values().any(|event| !event.is_claimed && event.due_ms <= now_ms) {
                            continue;
                        }
                        let claim = claimed(&queue, &queue.line("f")).await;
                        let event = model.get_mut(&claim.event.head.id).expect("it is not over");
                        assert!(!event.is_claimed && event.due_ms <= queue.clock.now_ms());
                        event.is_claimed = true;
                        claims.push(claim);
                    }
                    Step::Done(index) if !claims.is_empty() => {
                        let claim = claims.swap_remove(index.index(claims.len()));
                        model.remove(&claim.event.head.id);
                        claim.done(Vec::new()).await;
                    }
                    Step::Again(index, minutes) if !claims.is_empty() => {
                        let claim = claims.swap_remove(index.index(claims.len()));
                        let due_ms = queue.clock.now_ms() + minutes * 60_000;
                        model.insert(claim.event.head.id.clone(), Modelled { due_ms, is_claimed: false });
                        claim.again(minutes * 60_000).await;
                    }
                    Step::Drop(index) if !claims.is_empty() => {
                        let claim = claims.swap_remove(index.index(claims.len()));
                        model.get_mut(&claim.event.head.id).unwrap().is_claimed = false;
                    }
                    Step::Advance(minutes) => {
                        ahead += Duration::from_mins(minutes);
                        queue.clock.advance(Duration::from_mins(minutes));
                    }
                    Step::Die => {
                        claims.clear();
                        drop(queue);
                        queue = opened(folder.path());
                        queue.clock.advance(ahead);
                        model.values_mut().for_each(|event| event.is_claimed = false);
                    }
                    Step::Done(_) | Step::Again(..) | Step::Drop(_) => {}
                }
            }
            claims.clear();
            queue.clock.advance(Duration::from_hours(1));
            let line = queue.line("f");
            let mut left = Vec::new();
            while let Some(claim) = queue.claim::<()>(&line).await.unwrap() {
                left.push(claim.event.head.id.clone());
                claim.done(Vec::new()).await;
            }
            left.sort();
            assert_eq!(left, model.into_keys().collect::<Vec<_>>());
        });
    }
}
