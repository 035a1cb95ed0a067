#!/bin/sh
# Makes a database where there is none, and serves it.
set -eu
tools=$(echo /usr/lib/postgresql/*/bin)
data=/var/lib/postgresql/data
if [ ! -s $data/PG_VERSION ]; then
  printf %s "$PASSWORD" >/tmp/password
  "$tools/initdb" -U app --pwfile=/tmp/password --auth-host=scram-sha-256 --no-sync -D $data.new
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>$data.new/pg_hba.conf
  mv $data.new $data
fi
exec "$tools/postgres" -D $data -c listen_addresses='*' -c unix_socket_directories=/tmp
