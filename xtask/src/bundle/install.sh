#!/bin/sh
# Installs Skerry from this folder. Needs no network, and nothing but a POSIX shell with sha256sum.
#
#   ./install.sh [--prefix DIR]      default: $HOME/.local
set -eu

prefix=${HOME:+$HOME/.local}
while [ $# -gt 0 ]; do
    case $1 in
        --prefix) prefix=${2:?--prefix needs a folder}; shift 2 ;;
        --prefix=*) prefix=${1#--prefix=}; shift ;;
        *) echo "usage: $0 [--prefix DIR]" >&2; exit 2 ;;
    esac
done

case $prefix in
    '') echo "there is no HOME; say where with --prefix DIR" >&2; exit 2 ;;
    /*) ;;
    *) prefix=$PWD/$prefix ;;
esac

cd "$(dirname "$0")"
if ! sha256sum --quiet -c SHA256SUMS >&2; then
    echo "a file of this bundle is damaged or was changed; nothing was installed" >&2
    exit 1
fi

mkdir -p "$prefix/bin" "$prefix/share"
# Beside the old ones first: a program that is running keeps its file.
for program in bin/*; do
    cp "$program" "$prefix/$program.new"
    chmod 755 "$prefix/$program.new"
    mv -f "$prefix/$program.new" "$prefix/$program"
done
# Native code of an older version is of no use, and is not trusted either.
rm -rf "$prefix/share/skerry" "$prefix/share/doc/skerry"
cp -R share/. "$prefix/share/"
cp sbom.cdx.json "$prefix/share/doc/skerry/"

# Compiles the components for this machine, so that the first start is as fast as the second.
echo "compiling the components for this machine" >&2
echo '{"key":"install","text":"installed"}' > "$prefix/share/skerry/first.jsonl"
scratch=$prefix/share/skerry/first
"$prefix/bin/skerry" --data "$scratch" publish --project install "$prefix/share/skerry/first.jsonl" > /dev/null
"$prefix/bin/skerry" --data "$scratch" query --project install 'is it installed' > /dev/null
rm -rf "$scratch" "$prefix/share/skerry/first.jsonl"

echo "installed into $prefix; start it with $prefix/bin/skerry serve"
case ":${PATH:-}:" in
    *":$prefix/bin:"*) ;;
    *) echo "put $prefix/bin on the PATH" ;;
esac
