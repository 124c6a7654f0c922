use super::{DecisionQueries, Question, Wanted};
use haechi_core::id::DecisionId;
use std::time::Duration;

fn question() -> Question {
    Question::Of(DecisionId::from_bits(7))
}

#[tokio::test(start_paused = true)]
async fn every_worker_is_asked_once() {
    let queries = DecisionQueries::default();
    let mut readers = [queries.reader(), queries.reader()];
    assert!(readers.iter_mut().all(|reader| reader.take().is_empty()), "nobody has asked");
    let asking = tokio::spawn({
        let queries = queries.clone();
        async move { queries.ask(Question::Recent(Wanted::default())).await }
    });
    tokio::task::yield_now().await;
    for reader in &mut readers {
        let taken = reader.take();
        assert_eq!(taken.len(), 1);
        assert!(reader.take().is_empty(), "taken up already");
        taken.into_iter().for_each(|taken| taken.answer(Vec::new()));
    }
    assert!(asking.await.unwrap().complete);
    assert!(queries.0.open().questions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_does_not_answer_is_told_of_and_its_question_does_not_stay() {
    let queries = DecisionQueries::default();
    let _busy = queries.reader();
    let mut reader = queries.reader();
    let asking = tokio::spawn({
        let queries = queries.clone();
        async move { queries.ask(question()).await }
    });
    tokio::task::yield_now().await;
    reader.take().into_iter().for_each(|taken| taken.answer(Vec::new()));
    assert!(!asking.await.unwrap().complete);
    assert!(queries.0.open().questions.is_empty());
}

#[tokio::test]
async fn nobody_waits_for_a_worker_that_is_gone() {
    let queries = DecisionQueries::default();
    assert!(queries.ask(question()).await.complete, "there is nobody to ask");
    let reader = queries.reader();
    let asking = tokio::spawn({
        let queries = queries.clone();
        async move { queries.ask(question()).await }
    });
    tokio::task::yield_now().await;
    drop(reader);
    let answers = tokio::time::timeout(Duration::from_secs(1), asking).await.unwrap().unwrap();
    assert!(answers.complete && answers.decided.is_empty());
}
