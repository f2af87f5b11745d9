#!/bin/sh
# Sets up {{ what }} on Alpine Linux: puts the keys that sign it into
# /etc/apk/keys and its line into /etc/apk/repositories. Run it as root, as often as you like.
set -eu
umask 022

fail() {
	echo "$1; nothing was changed" >&2
	exit 1
}

# Puts what comes in into a file, whole or not at all.
install_file() {
	cat > "$1.new"
	mv "$1.new" "$1"
}

main() {
	[ -f /etc/alpine-release ] || fail "this is not Alpine Linux"
	command -v apk > /dev/null 2>&1 || fail "there is no apk here"
	[ "$(id -u)" = 0 ] || fail "run this as root"
	repositories=/etc/apk/repositories
	address={{ address }}
	line={{ url }}
{%- if !is_public %}
	# The repository is not public: give AUTH=USER:TOKEN, or put them into ~/.netrc or HTTP_AUTH.
	auth=${AUTH-}
	if [ -n "$auth" ]; then
		case $auth in
		*[!A-Za-z0-9:._~%+-]*) fail "AUTH has to be USER:TOKEN, with percent signs for what is not a letter or digit" ;;
		esac
		line={{ scheme }}://$auth@$address
	elif [ -z "${HTTP_AUTH-}" ] && [ ! -f "${HOME:-/root}/.netrc" ]; then
		fail "this repository is not public; run this with AUTH=USER:TOKEN in front of sh"
	fi
{%- endif %}
{%- if has_v3 %}
	# Some packages are in the index of apk 3 only.
	case $(apk --version) in
	"apk-tools 2"*){% if is_v3_only %} fail "all packages of this repository are for apk 3, which Alpine has from 3.23 on" ;;{% else %} ;;{% endif %}
	*) line="v3 $line" ;;
	esac
{%- endif %}
	mkdir -p /etc/apk/keys
{%- for key in keys %}
	install_file '/etc/apk/keys/{{ key.name }}' <<'KEY'
{{ key.pem }}KEY
{%- endfor %}
	[ -f "$repositories" ] || : > "$repositories"
	if grep -qxF -e "$line" "$repositories"; then
		echo "{{ what }} was set up already; its keys were installed again"
		exit 0
	fi
	# Other lines stay as they are; an older one of this repository, with other credentials, goes.
	while IFS= read -r old || [ -n "$old" ]; do
		case $old in
		*"@$address" | *"://$address") ;;
		*) printf '%s\n' "$old" ;;
		esac
	done < "$repositories" > "$repositories.new"
	printf '%s\n' "$line" >> "$repositories.new"
	mv "$repositories.new" "$repositories"
	echo "{{ what }} is set up. Next: apk update"
}

main
