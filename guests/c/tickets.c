#include "tickets.h"
#include "buffer.h"
#include <stdlib.h>

// A table with open addressing: an entry lies at its home, or behind it with no gap between.
struct ticket_entry {
    uint64_t ticket;
    void *memory; // NULL: free
};

// Instances hold 256 tickets unless the pipeline says otherwise, and half of the table stays free.
static const size_t CAPACITY_FIRST = 512;

// Hosts count tickets up, so neighbours have neighbouring homes.
static size_t home(const struct tickets *tickets, uint64_t ticket) {
    return (size_t)ticket & (tickets->capacity - 1);
}

static size_t next(const struct tickets *tickets, size_t index) {
    return (index + 1) & (tickets->capacity - 1);
}

// Where the ticket is, or the free entry where it would be.
static size_t place(const struct tickets *tickets, uint64_t ticket) {
    size_t index = home(tickets, ticket);
    while (tickets->entries[index].memory != NULL && tickets->entries[index].ticket != ticket) {
        index = next(tickets, index);
    }
    return index;
}

static void grow(struct tickets *tickets) {
    struct tickets grown = {.capacity = tickets->capacity == 0 ? CAPACITY_FIRST : 2 * tickets->capacity};
    grown.entries = allocate(grown.capacity, sizeof *grown.entries);
    grown.used = tickets->used;
    for (size_t i = 0; i < tickets->capacity; i++) {
        struct ticket_entry entry = tickets->entries[i];
        if (entry.memory != NULL) grown.entries[place(&grown, entry.ticket)] = entry;
    }
    free(tickets->entries);
    *tickets = grown;
}

void tickets_put(struct tickets *tickets, uint64_t ticket, void *memory) {
    if (2 * tickets->used >= tickets->capacity) grow(tickets);
    tickets->entries[place(tickets, ticket)] = (struct ticket_entry){ticket, memory};
    tickets->used++;
}

// Entries behind a gap move up, so that none is cut off from its home.
static void close_gap(struct tickets *tickets, size_t gap) {
    for (size_t i = next(tickets, gap); tickets->entries[i].memory != NULL; i = next(tickets, i)) {
        struct ticket_entry entry = tickets->entries[i];
        tickets->entries[i].memory = NULL;
        tickets->entries[place(tickets, entry.ticket)] = entry;
    }
}

void *tickets_take(struct tickets *tickets, uint64_t ticket) {
    if (tickets->capacity == 0) return NULL;
    size_t index = place(tickets, ticket);
    void *memory = tickets->entries[index].memory;
    if (memory == NULL) return NULL;
    tickets->entries[index].memory = NULL;
    tickets->used--;
    close_gap(tickets, index);
    return memory;
}
