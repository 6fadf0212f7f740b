//! Generates the admin API's messages. Needs `protoc`.

fn main() -> std::io::Result<()> {
    tonic_prost_build::configure()
        .type_attribute(".", "#[derive(serde::Serialize)]")
        .type_attribute(".", "#[allow(missing_docs, clippy::struct_excessive_bools)]")
        .compile_protos(&["proto/admin.proto"], &["proto"])
}
