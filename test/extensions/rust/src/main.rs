//! An external extension on AWS's crate, which decodes telemetry strictly. Prints every event and record as one line.
use lambda_extension::{service_fn, Error, Extension, LambdaEvent, LambdaTelemetry, NextEvent, SharedService};

async fn on_event(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(invoke) => {
            println!("rust-extension INVOKE {} {}", invoke.request_id, invoke.invoked_function_arn);
            Ok(())
        }
        NextEvent::Shutdown(shutdown) => {
            println!("rust-extension SHUTDOWN {}", shutdown.shutdown_reason);
            std::process::exit(0);
        }
    }
}

async fn on_telemetry(events: Vec<LambdaTelemetry>) -> Result<(), Error> {
    for event in events {
        println!("rust-extension telemetry {}", serde_json::to_string(&event)?);
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let port = std::env::var("RUST_EXTENSION_PORT").map_or(Ok(4243), |text| text.parse::<u16>())?;
    let registered = Extension::new()
        .with_events_processor(service_fn(on_event))
        .with_telemetry_types(&["platform", "function"])
        .with_telemetry_port_number(port)
        .with_telemetry_processor(SharedService::new(service_fn(on_telemetry)))
        .register()
        .await?;
    println!("rust-extension registered for {} {}", registered.function_name, registered.handler);
    registered.run().await
}
