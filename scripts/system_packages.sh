#!/usr/bin/env bash
# Debian packages that are missing: installed when root, otherwise the line to run.
# usage: system_packages.sh python|display
set -euo pipefail
case "$1" in
  python) packages=(python3-venv) ;;
  display)
    packages=(xvfb xauth libgl1 libegl1 libdbus-1-3 libfontconfig1 libglib2.0-0 libxcb-cursor0 libxcb-icccm4
      libxcb-keysyms1 libxcb-shape0 libxcb-xkb1 libxkbcommon-x11-0) ;;
esac

command -v dpkg-query >/dev/null || exit 0 # not Debian: the system's own Qt libraries are used
if [ "$1" = python ] && "${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null; then exit 0; fi

missing=()
for package in "${packages[@]}"; do
  # a name may have been taken over by another package, such as libglib2.0-0t64
  dpkg-query -W -f='${Status} ${Package} ${Provides}\n' 2>/dev/null |
    grep '^install ok installed' | grep -qE "[ ,]${package//./\\.}( |,|\$)" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

install="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -eq 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $install -qq >/dev/null
else
  echo "Some system packages are missing. Run this line, then make again:" >&2
  echo "  sudo apt-get update && sudo $install" >&2
  exit 1
fi
