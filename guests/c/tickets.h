// What a plugin remembers of its open tickets: a map from the ticket's number to memory of the plugin's own.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Empty when all is zero.
struct tickets {
    struct ticket_entry *entries;
    size_t capacity; // a power of two, or none
    size_t used;
};

// Remembers something of a ticket that has nothing yet.
void tickets_put(struct tickets *tickets, uint64_t ticket, void *memory);

// Takes it out again; NULL when there is nothing of that ticket.
void *tickets_take(struct tickets *tickets, uint64_t ticket);
