//! Tarn, a self-hosted registry for Alpine packages: the command line.

mod failure;
mod output;
mod secret;
mod settings;

fn main() {}
