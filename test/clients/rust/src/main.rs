//! A handler that does what the event's `act` says; CLIENT_INIT chooses how the process begins.

use lambda_runtime::{
    run, service_fn,
    streaming::{channel, Body, Sender},
    tracing, Diagnostic, Error, FunctionResponse, LambdaEvent, MetadataPrelude, StreamResponse,
};
use serde_json::{json, Value};
use std::{env, fmt, future::pending, process, time::SystemTime};

type Answer = FunctionResponse<Value, Body>;

#[derive(Debug)]
struct CustomError(&'static str);

impl fmt::Display for CustomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for CustomError {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    match env::var("CLIENT_INIT").as_deref() {
        Ok("throw") => return Err(CustomError("no good start").into()),
        Ok("panic") => panic!("no good start"),
        Ok("exit") => process::exit(3),
        _ => {}
    }
    run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Answer, Diagnostic> {
    let payload = &event.payload;
    let count = payload["count"].as_u64().unwrap_or(0) as usize;
    let answer = match payload["act"].as_str().unwrap_or("") {
        "echo" => payload["value"].clone(),
        "measure" => json!(payload["pad"].as_str().map(str::len)),
        "repeat" => json!("x".repeat(count)),
        "nothing" => Value::Null,
        "pid" => json!(process::id()),
        "context" => describe(&event),
        "throw" => return Err(Error::from(CustomError("no good")).into()),
        "throw custom" => {
            return Err(Diagnostic {
                error_type: "CustomError".into(),
                error_message: "no good".into(),
            })
        }
        "panic" => panic!("no good"),
        "exit" => process::exit(payload["status"].as_i64().unwrap_or(0) as i32),
        "kill" => {
            kill();
            pending().await
        }
        "sleep" => pending().await,
        "recurse" => json!(recurse(0)),
        "log" => {
            tracing::debug!("too quiet");
            tracing::info!("one line\nand a second one");
            tracing::error!("told");
            json!("logged")
        }
        act => return Ok(stream(act, count)),
    };
    Ok(FunctionResponse::BufferedResponse(answer))
}

fn describe(event: &LambdaEvent<Value>) -> Value {
    let context = &event.context;
    let function = &context.env_config;
    let remaining = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    json!({
        "requestId": context.request_id,
        "remainingMs": remaining.as_millis() as u64,
        "functionArn": context.invoked_function_arn,
        "functionName": function.function_name,
        "functionVersion": function.version,
        "memoryMB": function.memory,
        "logGroup": function.log_group,
        "logStream": function.log_stream,
        "client": context.client_context.as_ref().and_then(|client| client.custom.get("who")),
        "trace": context.xray_trace_id,
    })
}

fn stream(act: &str, count: usize) -> Answer {
    let (sender, body) = channel();
    let prelude = match act {
        "prelude" => serde_json::from_value(json!({
            "statusCode": 201, "headers": { "x-kind": "prelude" }, "cookies": ["a=b"]
        })),
        _ => Ok(MetadataPrelude::default()),
    };
    tokio::spawn(fill(act.to_owned(), count, sender));
    FunctionResponse::StreamingResponse(StreamResponse {
        metadata_prelude: prelude.expect("a prelude"),
        stream: body,
    })
}

async fn fill(act: String, count: usize, mut sender: Sender) {
    let parts = match act.as_str() {
        "prelude" => vec!["created"],
        "parts" => vec!["one ", "two ", "three"],
        _ => vec!["one "],
    };
    if act == "repeat in parts" {
        for start in (0..count).step_by(65_536) {
            let part = "x".repeat(65_536.min(count - start));
            if sender.send_data(part.into()).await.is_err() {
                return;
            }
        }
        return;
    }
    for part in parts {
        if sender.send_data(part.into()).await.is_err() {
            return;
        }
    }
    match act.as_str() {
        "throw within" => sender.abort(),
        "sleep within" => pending().await,
        "exit within" => {
            // What was sent before has the time to be taken.
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            process::exit(3)
        }
        _ => {}
    }
}

fn kill() {
    extern "C" {
        fn raise(signal: i32) -> i32;
    }
    // SAFETY: it takes no pointer.
    unsafe { raise(9) };
}

#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    std::hint::black_box(recurse(depth + 1)) + 1
}
