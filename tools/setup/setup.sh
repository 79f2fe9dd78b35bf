#!/usr/bin/env bash
# Prepare this machine for development: Debian packages, Prometheus' programs, and a virtual
# environment with the locked requirements in which the checkout's packages can be imported. Does
# nothing when all is there.
#
#   tools/setup/setup.sh                prints the virtual environment's path as its last line
#   tools/setup/setup.sh --print-venv   only prints it; fails if it has not been made
#   PYTHON=python3.12 tools/setup/setup.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/nerf-operator
python=${PYTHON:-python3}
lock=requirements/dev.txt
package_lists=(tools/setup/apt-packages.txt tools/localkube/apt-packages.txt)

say() { echo "setup: $*" >&2; }

check_python() {
  "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && return
  say "needs Python 3.11 to 3.13, and '$python' is not one: set PYTHON=/path/to/python3.x"
  exit 1
}

# A checkout and a lock have an environment of their own, so none ever changes under a user.
venv_path() {
  { pwd; "$python" -c 'import sys; print(sys.executable, sys.version)'; cat "$lock"; } \
    | sha256sum | echo "$cache/venv-$(cut -c1-12)"
}

missing_packages() {
  comm -23 <(sort -u "${package_lists[@]}") \
    <(dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' | sed -n 's/ installed$//p' | sort -u)
}

install_packages() {
  if ! command -v apt-get >/dev/null; then
    say "this is not Debian: install the counterparts of $(sort -u "${package_lists[@]}" | tr '\n' ' ')"
    return
  fi
  local missing
  missing=$(missing_packages | tr '\n' ' ')
  [[ -n $missing ]] || return 0
  if ((EUID != 0)); then
    say "not root; images and the local cluster need: sudo apt-get install $missing"
    return
  fi
  say "installing $missing"
  local apt=(apt-get -q -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update >&2
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends $missing >&2
}

# Only the programs of Debian's package: installed, it would start a server that all can reach.
fetch_prometheus() {
  [[ -x $cache/bin/promtool ]] && return
  command -v apt-get >/dev/null || { say "tests of the alerts need prometheus and promtool"; return; }
  say "fetching prometheus and promtool"
  local folder
  folder=$(mktemp -d)
  local apt=(apt-get -q -o APT::Sandbox::User=root)
  (cd "$folder" && { "${apt[@]}" download prometheus || { "${apt[@]}" update && "${apt[@]}" download prometheus; }; }) >&2
  dpkg-deb --extract "$folder"/prometheus_*.deb "$folder"
  mkdir -p "$cache/bin"
  mv "$folder/usr/bin/prometheus" "$folder/usr/bin/promtool" "$cache/bin/"
  rm -rf "$folder"
}

make_venv() {
  say "making the virtual environment $1"
  rm -rf "$1"
  "$python" -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check \
    --require-hashes --only-binary :all: --requirement "$lock" >&2
  printf '%s\n' "$PWD/cli" "$PWD/contract" "$PWD/operator" "$PWD/trainer" \
    >"$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/checkout.pth"
  touch "$1/complete"
}

# The checkout's `kubectl nerf`; kubectl finds its plugins by their names on the PATH.
install_plugin() {
  printf '#!%s/bin/python\nfrom nerf_cli.app import main\n\nmain()\n' "$1" >"$1/bin/kubectl-nerf"
  chmod +x "$1/bin/kubectl-nerf"
}

check_python
venv=$(venv_path)
if [[ ${1:-} != --print-venv ]]; then
  install_packages
  mkdir -p "$cache"
  fetch_prometheus
  [[ -e $venv/complete ]] || make_venv "$venv"
  install_plugin "$venv"
elif [[ ! -e $venv/complete ]]; then
  say "the virtual environment is missing: run tools/setup/setup.sh"
  exit 1
fi
echo "$venv"
