//! What the server calls, answered by the application.

use rtmp_amf::amf0::Value;
use rtmp_client::{ClientConn, Command, Status, StatusCode};
use rtmp_core::message::TransactionId;

use crate::support::{Raw, connect_raw, settle};

async fn call(raw: &mut Raw, transaction: u32) {
    let command = Command::new("ask").with_transaction(TransactionId::new(transaction));
    raw.send(0, command.with_argument(transaction)).await;
}

/// The value returned to this call.
async fn returned(raw: &mut Raw, transaction: u32) -> Option<Value> {
    let answer = raw.expect("_result").await;
    assert_eq!(answer.transaction, TransactionId::new(transaction));
    answer.argument(0).cloned()
}

#[tokio::test]
async fn the_application_answers_the_servers_calls_in_any_order() {
    let (conn, mut raw) = connect_raw().await;
    let mut calls = conn.calls();
    call(&mut raw, 8).await;
    call(&mut raw, 9).await;
    let first = calls.recv().await.unwrap();
    let second = calls.recv().await.unwrap();
    assert!(first.expects_answer());
    assert_eq!(first.stream().get(), 0);
    assert_eq!(first.command().name, *"ask");
    assert_eq!(second.command().number_argument(0), Some(9.0));
    second.answer("forty-two");
    assert_eq!(returned(&mut raw, 9).await, Some("forty-two".into()));
    first.refuse(Status::new(StatusCode::CallFailed, "not today"));
    let refusal = raw.expect("_error").await;
    assert_eq!(refusal.transaction, TransactionId::new(8));
    let status = Status::from_value(refusal.argument(0).unwrap());
    assert_eq!(
        (status.code, status.description),
        (StatusCode::CallFailed, "not today".into())
    );
}

#[tokio::test]
async fn a_call_that_is_dropped_gets_the_empty_answer() {
    let (conn, mut raw) = connect_raw().await;
    let mut calls = conn.calls();
    call(&mut raw, 8).await;
    drop(calls.recv().await);
    assert_eq!(returned(&mut raw, 8).await, Some(Value::Null));
    call(&mut raw, 9).await;
    settle().await;
    drop(calls);
    assert_eq!(returned(&mut raw, 9).await, Some(Value::Null));
    call(&mut raw, 10).await;
    assert_eq!(returned(&mut raw, 10).await, Some(Value::Null));
}

#[tokio::test]
async fn calls_beyond_the_limit_get_the_empty_answer_even_if_earlier_ones_are_held() {
    let (ours, theirs) = (ClientConn::builder().event_capacity(2), 5);
    let (conn, mut raw) = crate::support::dial_raw_with(ours).await;
    let (connected, ()) = tokio::join!(conn.connect(Default::default()), raw.accept_connect());
    connected.unwrap();
    let mut calls = conn.calls();
    for transaction in 0..theirs {
        call(&mut raw, 10 + transaction).await;
    }
    for transaction in 12..15 {
        assert_eq!(returned(&mut raw, transaction).await, Some(Value::Null));
    }
    let held = [calls.recv().await.unwrap(), calls.recv().await.unwrap()];
    call(&mut raw, 20).await;
    assert_eq!(returned(&mut raw, 20).await, Some(Value::Null));
    for (call, transaction) in held.into_iter().zip(10..) {
        call.answer(transaction);
        assert_eq!(returned(&mut raw, transaction).await, Some(transaction.into()));
    }
}

#[tokio::test]
async fn a_call_that_wants_no_answer_is_told_and_gets_none() {
    let (conn, mut raw) = connect_raw().await;
    let mut calls = conn.calls();
    call(&mut raw, 0).await;
    let told = calls.recv().await.unwrap();
    assert!(!told.expects_answer());
    told.answer(1);
    call(&mut raw, 9).await;
    calls.recv().await.unwrap().answer(2);
    assert_eq!(returned(&mut raw, 9).await, Some(2.into()));
}

#[tokio::test]
async fn an_answer_that_can_not_be_written_becomes_the_empty_one() {
    let (conn, mut raw) = connect_raw().await;
    let mut calls = conn.calls();
    call(&mut raw, 9).await;
    let mut nested = Value::from(1);
    for _ in 0..1000 {
        nested = Value::StrictArray(vec![nested]);
    }
    calls.recv().await.unwrap().answer(nested);
    assert_eq!(returned(&mut raw, 9).await, Some(Value::Null));
}

#[tokio::test]
async fn the_last_to_ask_gets_the_calls_and_the_end_of_the_connection_ends_them() {
    let (conn, mut raw) = connect_raw().await;
    let mut first = conn.calls();
    let mut second = conn.calls();
    assert!(first.recv().await.is_none());
    call(&mut raw, 9).await;
    let unanswered = second.recv().await.unwrap();
    drop(raw);
    assert!(second.recv().await.is_none());
    unanswered.answer(1);
    assert!(conn.calls().recv().await.is_none());
}
