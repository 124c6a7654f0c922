use super::{Desk, Question, Wanted};
use haechi_core::id::DecisionId;
use std::time::Duration;

fn question() -> Question {
    Question::Of(DecisionId::from_bits(7))
}

#[tokio::test(start_paused = true)]
async fn every_worker_is_asked_once() {
    let desk = Desk::default();
    let mut seats = [desk.seat(), desk.seat()];
    assert!(seats.iter_mut().all(|seat| seat.take().is_empty()), "nobody has asked");
    let asking = tokio::spawn({
        let desk = desk.clone();
        async move { desk.ask(Question::Recent(Wanted::default())).await }
    });
    tokio::task::yield_now().await;
    for seat in &mut seats {
        let taken = seat.take();
        assert_eq!(taken.len(), 1);
        assert!(seat.take().is_empty(), "taken up already");
        taken.into_iter().for_each(|taken| taken.answer(Vec::new()));
    }
    assert!(asking.await.unwrap().complete);
    assert!(desk.0.open().questions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_does_not_answer_is_told_of_and_its_question_does_not_stay() {
    let desk = Desk::default();
    let _busy = desk.seat();
    let mut seat = desk.seat();
    let asking = tokio::spawn({
        let desk = desk.clone();
        async move { desk.ask(question()).await }
    });
    tokio::task::yield_now().await;
    seat.take().into_iter().for_each(|taken| taken.answer(Vec::new()));
    assert!(!asking.await.unwrap().complete);
    assert!(desk.0.open().questions.is_empty());
}

#[tokio::test]
async fn nobody_waits_for_a_worker_that_is_gone() {
    let desk = Desk::default();
    assert!(desk.ask(question()).await.complete, "there is nobody to ask");
    let seat = desk.seat();
    let asking = tokio::spawn({
        let desk = desk.clone();
        async move { desk.ask(question()).await }
    });
    tokio::task::yield_now().await;
    drop(seat);
    let answers = tokio::time::timeout(Duration::from_secs(1), asking).await.unwrap().unwrap();
    assert!(answers.complete && answers.decided.is_empty());
}
