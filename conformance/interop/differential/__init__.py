"""The same tokens judged by us, by OpenSSL and by Bouncy Castle; where we differ, a table says why."""
