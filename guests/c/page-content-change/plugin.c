// Adds content to page_change events: `content_body` for every content slot that an event names.
//
// A page that was deleted, and content that is hidden, pass through without a body. A revision that does not exist is
// an error event `not_found`. Bodies go from the wiki to the output as blobs and never enter this plugin, and the
// output is a patch of the input, so fields that this plugin does not know survive.

#include "contract.h"
#include "event.h"
#include "revision.h"
#include "tickets.h"
#include <stdlib.h>

// What to do with a body whose SHA-1 is not the one in the event.
static enum { EMIT, OMIT, FAIL } sha1_mismatch = EMIT;
static const char *const POLICIES[] = {[EMIT] = "emit", [OMIT] = "omit", [FAIL] = "fail"};

// Events that wait for their revision.
static struct tickets waiting;

static const char OUTPUT[] = "page_content_change";

static const char DESCRIBE[] =
    "{\"name\":\"page-content-change\",\"version\":\"0.1.0\","
    "\"inputs\":{\"page_change\":{\"fields\":[\"/page_change_kind\",\"/meta/domain\",\"/revision/rev_id\","
    "\"/revision/is_content_visible\",\"/revision/content_slots\"]}},"
    "\"outputs\":{\"page_content_change\":{\"schema\":\"mediawiki/page/change\"}},"
    "\"lookups\":[\"revision\"],"
    "\"settings\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"sha1_mismatch\":{"
    "\"description\":\"what to do with a body whose SHA-1 is not the one in the event\","
    "\"enum\":[\"emit\",\"omit\",\"fail\"],\"default\":\"emit\"}}}}";

void exports_millrace_plugin_processor_describe(plugin_string_t *described) {
    plugin_string_dup(described, DESCRIBE);
}

static bool set_policy(struct span value) {
    for (size_t i = 0; i < sizeof POLICIES / sizeof *POLICIES; i++) {
        if (!json_says(value, POLICIES[i])) continue;
        sha1_mismatch = i;
        return true;
    }
    return false;
}

// What is wrong with the settings; NULL when nothing is.
static const char *read_settings(struct span text) {
    struct span settings, name, value;
    if (!json_parse(text, &settings) || json_kind(settings) != JSON_OBJECT) return "the settings are no object";
    struct json_members members = json_members(settings);
    while (json_next(&members, &name, &value)) {
        if (!json_says(name, "sha1_mismatch")) return "the only setting is sha1_mismatch";
        if (!set_policy(value)) return "sha1_mismatch is one of emit, omit, fail";
    }
    return NULL;
}

bool exports_millrace_plugin_processor_configure(plugin_string_t *settings, plugin_string_t *error) {
    const char *wrong = read_settings((struct span){(const char *)settings->ptr, settings->len});
    if (wrong != NULL) plugin_string_dup(error, wrong);
    plugin_string_free(settings);
    return wrong == NULL;
}

static void fail(output_t *output, uint64_t ticket, const char *kind, const char *message) {
    struct buffer text = {0};
    buffer_add_text(&text, message);
    say_failure(output, ticket, kind, &text);
}

static void on_event(event_t *event, output_t *output) {
    struct buffer reason = {0}, params = {0};
    plugin_list_u8_t document = {NULL, 0};
    if (event->value.is_some) document = take_bytes(&event->value.val);
    struct page_change *change = page_change_read(document, &reason);
    if (change == NULL) {
        say_failure(output, event->ticket, "invalid_event", &reason);
        return;
    }
    if (change->is_delete || change->is_hidden || !change->has_slots) {
        say_patch(output, event->ticket, OUTPUT, (edit_list_t){NULL, 0});
        page_change_free(change);
        return;
    }
    if (!change->has_domain) {
        fail(output, event->ticket, "invalid_event", "meta.domain is missing: which wiki is it?");
        page_change_free(change);
        return;
    }
    page_change_params(change, &params);
    say_ask(output, event->ticket, 0, "revision", &params);
    tickets_put(&waiting, event->ticket, change);
}

// The word for the error event; a kind that is not known here counts as `unavailable`.
static const char *failure_kind(struct span kind) {
    if (span_is(kind, "missing")) return "not_found";
    if (span_is(kind, "denied")) return "lookup_denied";
    if (span_is(kind, "too-large")) return "lookup_too_large";
    if (span_is(kind, "invalid")) return "lookup_invalid";
    return "lookup_unavailable";
}

static void on_error(const millrace_plugin_types_lookup_error_t *error, uint64_t ticket, output_t *output) {
    struct buffer message = {0};
    buffer_add(&message, (struct span){(const char *)error->message.ptr, error->message.len});
    say_failure(output, ticket, failure_kind((struct span){(const char *)error->kind.ptr, error->kind.len}), &message);
}

// Imports do not take their arguments over, so these need not be from `allocate`.
static void count_mismatch(uint64_t ticket, struct span role) {
    struct buffer label = {0};
    json_add_string(&label, role);
    plugin_string_t name;
    plugin_tuple2_string_string_t slot = {.f1 = {(uint8_t *)label.at, label.length}};
    plugin_string_set(&name, "sha1_mismatch");
    plugin_string_set(&slot.f0, "slot");
    millrace_plugin_metrics_count(&ticket, &name, &(plugin_list_tuple2_string_string_t){&slot, 1}, 1);
    buffer_free(&label);
}

static void fail_mismatch(output_t *output, uint64_t ticket, const struct page_change *change, struct span role,
                          struct span expected, struct span found) {
    struct buffer message = {0};
    buffer_add_text(&message, "slot ");
    json_add_string(&message, role);
    buffer_add_text(&message, " of revision ");
    buffer_add(&message, change->rev_id);
    buffer_add_text(&message, ": SHA-1 is ");
    json_add_string(&message, found);
    buffer_add_text(&message, ", the event says ");
    json_add_string(&message, expected);
    say_failure(output, ticket, "sha1_mismatch", &message);
}

static void fail_missing(output_t *output, uint64_t ticket, const struct page_change *change, struct span role) {
    struct buffer message = {0};
    buffer_add_text(&message, "revision ");
    buffer_add(&message, change->rev_id);
    buffer_add_text(&message, " has no slot ");
    json_add_string(&message, role);
    say_failure(output, ticket, "not_found", &message);
}

// A role may hold what means something in a JSON Pointer.
static void add_step(struct buffer *path, struct span role) {
    struct buffer name = {0};
    json_add_string(&name, role);
    for (size_t i = 0; i < name.length; i++) {
        if (name.at[i] == '~') buffer_add_text(path, "~0");
        else if (name.at[i] == '/') buffer_add_text(path, "~1");
        else buffer_add(path, (struct span){name.at + i, 1});
    }
    buffer_free(&name);
}

static edit_t set_body(struct span role, blob_id_t body) {
    struct buffer path = {0};
    buffer_add_text(&path, "/revision/content_slots/");
    add_step(&path, role);
    buffer_add_text(&path, "/content_body");
    return set_to_string_blob(&path, body);
}

// Adds the edit for one slot, or says why the event fails; false when it does.
static bool enrich_slot(const struct page_change *change, struct span role, struct span facts, struct slot slot,
                        uint64_t ticket, edit_list_t *edits, output_t *output) {
    struct span expected;
    switch (slot.state) {
        case SLOT_HIDDEN: return true;
        case SLOT_MISSING: fail_missing(output, ticket, change, role); return false;
        case SLOT_INVALID:
            fail(output, ticket, "lookup_invalid", "answer: a slot has neither a body nor is hidden");
            return false;
        case SLOT_VISIBLE: break;
    }
    if (json_find(facts, "content_sha1", &expected) && json_kind(expected) == JSON_STRING &&
        !json_say_the_same(expected, slot.sha1)) {
        count_mismatch(ticket, role);
        if (sha1_mismatch == OMIT) return true;
        if (sha1_mismatch == FAIL) {
            fail_mismatch(output, ticket, change, role, expected, slot.sha1);
            return false;
        }
    }
    edits->ptr[edits->len++] = set_body(role, slot.body);
    return true;
}

static size_t count_members(struct span object) {
    struct json_members members = json_members(object);
    struct span name, value;
    size_t count = 0;
    while (json_next(&members, &name, &value)) count++;
    return count;
}

static void enrich(const struct page_change *change, struct span found, const reply_t *reply, uint64_t ticket,
                   output_t *output) {
    edit_list_t edits = {allocate(count_members(change->slots), sizeof *edits.ptr), 0};
    struct json_members slots = json_members(change->slots);
    struct span role, facts;
    while (json_next(&slots, &role, &facts)) {
        struct slot slot = revision_slot(found, role, reply);
        if (enrich_slot(change, role, facts, slot, ticket, &edits, output)) continue;
        // The output is a failure already; the edits go nowhere.
        for (size_t i = 0; i < edits.len; i++) millrace_plugin_types_edit_free(&edits.ptr[i]);
        free(edits.ptr);
        return;
    }
    say_patch(output, ticket, OUTPUT, edits);
}

static void on_answer(answer_t *answer, output_list_t *outputs) {
    struct page_change *change = tickets_take(&waiting, answer->ticket);
    if (change == NULL) return; // the ticket has ended
    output_t *output = next_output(outputs);
    if (answer->result.is_err) {
        on_error(&answer->result.val.err, answer->ticket, output);
    } else {
        reply_t *reply = &answer->result.val.ok;
        plugin_list_u8_t document = take_bytes(&reply->document);
        struct span slots;
        if (revision_slots(document, &slots)) enrich(change, slots, reply, answer->ticket, output);
        else fail(output, answer->ticket, "lookup_invalid", "the answer names no slots");
        plugin_list_u8_free(&document);
    }
    page_change_free(change);
}

void exports_millrace_plugin_processor_turn(uint64_t now_ms, input_list_t *inputs, output_list_t *outputs) {
    (void)now_ms;
    *outputs = outputs_for(inputs);
    for (size_t i = 0; i < inputs->len; i++) {
        input_t *input = &inputs->ptr[i];
        switch (input->tag) {
            case MILLRACE_PLUGIN_TYPES_INPUT_EVENT: on_event(&input->val.event, next_output(outputs)); break;
            case MILLRACE_PLUGIN_TYPES_INPUT_ANSWER: on_answer(&input->val.answer, outputs); break;
            case MILLRACE_PLUGIN_TYPES_INPUT_CANCEL: page_change_free(tickets_take(&waiting, input->val.cancel)); break;
            default: break; // no timer is ever set
        }
    }
    end_turn(inputs, outputs);
}
