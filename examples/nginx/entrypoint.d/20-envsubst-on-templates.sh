#!/bin/sh
# Makes a configuration of each template, with the environment's variables put in.
set -eu

export NGINX_PORT="${NGINX_PORT:-80}"
mkdir -p /etc/nginx/conf.d
# Only what is set: nginx has variables of its own.
names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p' | tr '\n' ' ')
for template in /etc/nginx/templates/*.template; do
    [ -e "$template" ] || continue
    name=$(basename "$template" .template)
    envsubst "$names" <"$template" >"/etc/nginx/conf.d/$name"
done
