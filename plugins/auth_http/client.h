/* client.h - libcurl on the daemon's loop: one set of settings with its connections.
 *
 * After a reload there are two for a while: the old one ends with its last transfer.
 *
 * The happy path: http_client_create() - http_client_send() puts a transfer under way - curl says
 * which sockets it waits for and when it wants to be called, libuv tells it - `finished` is called
 * for the transfer - http_client_retire(), and once nothing runs any more and all handles are
 * closed, `closed`.
 *
 * Ways to fail: a socket that libuv does not take, which ends its transfer at the timeout; a
 * transfer that cannot begin (send says so).
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <curl/curl.h>

#include "settings.h"

struct http_client;

/* The client owns the settings, also when it is NULL: no memory. `finished` may call
 * http_client_send() of any client. */
struct http_client *http_client_create(struct muster_plugin *plugin, const struct muster_host *host,
                                       struct http_settings *settings,
                                       void (*finished)(void *context, CURL *easy, CURLcode code),
                                       void (*closed)(void *context, struct http_client *client),
                                       void *context);
const struct http_settings *http_client_settings(const struct http_client *client);

/* A handle with everything set that the settings say; the rest is the caller's. NULL: no memory. */
CURL *http_client_prepare(struct http_client *client);
/* Puts it under way; it is the client's until `finished` or http_client_drop(). */
bool http_client_send(struct http_client *client, CURL *easy);
/* After `finished`, or to abort it: the handle is gone. */
void http_client_drop(struct http_client *client, CURL *easy);

/* No more is sent with it: closes when its last transfer was dropped. `closed` is called, maybe in
 * a later turn, and the client is gone. */
void http_client_retire(struct http_client *client);

#endif
