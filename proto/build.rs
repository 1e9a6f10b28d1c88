//! Compiles the `.proto` files without `protoc` and keeps their descriptors for reflection.
use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 6] = [
    "yingbin/event/v1/event.proto",
    "yingbin/reply/v1/reply.proto",
    "yingbin/profile/v1/profile.proto",
    "yingbin/profile/v1/profile_service.proto",
    "yingbin/content/v1/item.proto",
    "yingbin/activity/v1/activity.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=yingbin");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    // Whoever stands for a service in a test answers the calls that the test is about. profile-service's own tests make each call.
    tonic_prost_build::configure().generate_default_stubs(true).compile_fds(descriptors)?;
    Ok(())
}
