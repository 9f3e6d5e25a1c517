/* proxy.h - the process between two others: it forwards, delays, stalls or cuts what they say.
 *
 *     chaos proxy CONTROL NAME LISTEN TARGET [NAME LISTEN TARGET…]
 *
 * LISTEN and TARGET are unix:///path or 127.0.0.1:port. On the unix socket CONTROL it takes one
 * line at a time and answers `ok` once it is done: cut NAME            ends all connections (TCP:
 * with a reset) and each new one stall NAME          takes new connections, and moves no byte of
 * any delay NAME MS MORE  each direction: MS, and up to MORE in addition; nothing overtakes heal
 * NAME           none of these; what was held back goes on its way target NAME ADDRESS where new
 * connections go; the old ones end
 */
#ifndef CH_PROXY_H
#define CH_PROXY_H

/* The process' main(); `arguments` begin with CONTROL. Returns an exit code. */
int ch_proxy_main(int count, char *const arguments[]);

#endif
