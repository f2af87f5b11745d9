//! Builds the crate again when a migration is added: `sqlx::migrate!` reads the folder, and cargo does not see that.

#[expect(
    clippy::print_stdout,
    reason = "this is how a build script speaks to cargo"
)]
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
