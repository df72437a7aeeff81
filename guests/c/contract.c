#include "contract.h"
#include <stdlib.h>

// Bytes that one call reads of a large value.
static const uint32_t READ_BYTES_MAX = 1 << 20;

// Hands the buffer's memory over as a string of the contract.
static plugin_string_t take_string(struct buffer *buffer) {
    plugin_string_t string = {(uint8_t *)buffer->at, buffer->length};
    if (buffer->length == 0) {
        buffer_free(buffer);
        string.ptr = NULL;
    }
    *buffer = (struct buffer){0};
    return string;
}

static plugin_string_t string_of(const char *text) {
    struct buffer buffer = {0};
    buffer_add_text(&buffer, text);
    return take_string(&buffer);
}

output_list_t outputs_for(const input_list_t *inputs) {
    output_list_t outputs = {NULL, 0};
    if (inputs->len > 0) outputs.ptr = allocate(inputs->len, sizeof *outputs.ptr);
    return outputs;
}

output_t *next_output(output_list_t *outputs) {
    return &outputs->ptr[outputs->len++];
}

void end_turn(input_list_t *inputs, output_list_t *outputs) {
    exports_millrace_plugin_processor_list_input_free(inputs);
    if (outputs->len == 0) {
        free(outputs->ptr);
        outputs->ptr = NULL;
    }
}

static plugin_list_u8_t read_blob(millrace_plugin_types_blob_t blob) {
    plugin_list_u8_t bytes = {NULL, 0};
    if (blob.size == 0) return bytes;
    if (blob.size > SIZE_MAX) __builtin_trap();
    bytes.ptr = allocate((size_t)blob.size, 1);
    while (bytes.len < blob.size) {
        plugin_list_u8_t part;
        millrace_plugin_blobs_read(blob.id, bytes.len, READ_BYTES_MAX, &part);
        if (part.len == 0 || part.len > blob.size - bytes.len) __builtin_trap();
        memcpy(bytes.ptr + bytes.len, part.ptr, part.len);
        bytes.len += part.len;
        plugin_list_u8_free(&part);
    }
    return bytes;
}

plugin_list_u8_t take_bytes(payload_t *payload) {
    if (payload->tag == MILLRACE_PLUGIN_TYPES_PAYLOAD_LARGE) return read_blob(payload->val.large);
    plugin_list_u8_t bytes = payload->val.inline_;
    payload->val.inline_ = (plugin_list_u8_t){NULL, 0};
    return bytes;
}

void say_ask(output_t *output, uint64_t ticket, uint32_t id, const char *kind, struct buffer *params) {
    *output = (output_t){.tag = MILLRACE_PLUGIN_TYPES_OUTPUT_ASK};
    output->val.ask.ticket = ticket;
    output->val.ask.id = id;
    output->val.ask.kind = string_of(kind);
    output->val.ask.params = take_string(params);
}

// A `done`, whose outcome the caller fills.
static millrace_plugin_types_outcome_t *say_done(output_t *output, uint64_t ticket, uint8_t outcome) {
    *output = (output_t){.tag = MILLRACE_PLUGIN_TYPES_OUTPUT_DONE};
    output->val.done.ticket = ticket;
    output->val.done.outcome.tag = outcome;
    return &output->val.done.outcome;
}

// A `done` with one emission, whose document the caller fills.
static millrace_plugin_types_document_t *say_emission(output_t *output, uint64_t ticket, const char *name) {
    millrace_plugin_types_emission_t *emission = allocate(1, sizeof *emission);
    emission->output = string_of(name);
    say_done(output, ticket, MILLRACE_PLUGIN_TYPES_OUTCOME_EMIT)->val.emit =
        (millrace_plugin_types_list_emission_t){emission, 1};
    return &emission->document;
}

void say_patch(output_t *output, uint64_t ticket, const char *name, edit_list_t edits) {
    if (edits.len == 0) {
        free(edits.ptr);
        edits.ptr = NULL;
    }
    millrace_plugin_types_document_t *document = say_emission(output, ticket, name);
    document->tag = MILLRACE_PLUGIN_TYPES_DOCUMENT_PATCH;
    document->val.patch = edits;
}

void say_tombstone(output_t *output, uint64_t ticket, const char *name) {
    say_emission(output, ticket, name)->tag = MILLRACE_PLUGIN_TYPES_DOCUMENT_TOMBSTONE;
}

void say_failure(output_t *output, uint64_t ticket, const char *kind, struct buffer *message) {
    millrace_plugin_types_failure_t *failure =
        &say_done(output, ticket, MILLRACE_PLUGIN_TYPES_OUTCOME_FAIL)->val.fail;
    failure->kind = string_of(kind);
    failure->message = take_string(message);
}

edit_t set_to_string_blob(struct buffer *path, blob_id_t blob) {
    piece_t *piece = allocate(1, sizeof *piece);
    piece->tag = MILLRACE_PLUGIN_TYPES_PIECE_JSON_STRING;
    piece->val.json_string = blob;
    edit_t edit = {.path = take_string(path)};
    edit.change.tag = MILLRACE_PLUGIN_TYPES_CHANGE_SET;
    edit.change.val.set = (millrace_plugin_types_list_piece_t){piece, 1};
    return edit;
}
