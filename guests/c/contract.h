// The contract's types by shorter names than the generated ones, and the outputs that the plugins here make.
//
// The host's post-return call frees every part of what a turn returned, so all of it is made by `allocate` here, and a
// list or string of length 0 has no memory at all.
#pragma once

#include "buffer.h"
#include "span.h"
#include <plugin.h>

typedef exports_millrace_plugin_processor_input_t input_t;
typedef exports_millrace_plugin_processor_output_t output_t;
typedef exports_millrace_plugin_processor_list_input_t input_list_t;
typedef exports_millrace_plugin_processor_list_output_t output_list_t;
typedef millrace_plugin_types_event_t event_t;
typedef millrace_plugin_types_answer_t answer_t;
typedef millrace_plugin_types_reply_t reply_t;
typedef millrace_plugin_types_payload_t payload_t;
typedef millrace_plugin_types_blob_id_t blob_id_t;
typedef millrace_plugin_types_piece_t piece_t;
typedef millrace_plugin_types_edit_t edit_t;
typedef millrace_plugin_types_list_edit_t edit_list_t;

// Room for as many outputs as there are inputs: more than one for each is never said here.
output_list_t outputs_for(const input_list_t *inputs);
// The place of the next output, which is one of them from now on.
output_t *next_output(output_list_t *outputs);
// Before a turn returns: gives the inputs back, and the outputs too where there are none.
void end_turn(input_list_t *inputs, output_list_t *outputs);

// The bytes of a value or document, read from the host where it is large. They are the caller's to free with
// `plugin_list_u8_free`, and the payload has none any more.
plugin_list_u8_t take_bytes(payload_t *payload);

void say_ask(output_t *output, uint64_t ticket, uint32_t id, const char *kind, struct buffer *params);
// One emission: the input document with these edits, or a tombstone.
void say_patch(output_t *output, uint64_t ticket, const char *name, edit_list_t edits);
void say_tombstone(output_t *output, uint64_t ticket, const char *name);
// The message is taken out of the buffer.
void say_failure(output_t *output, uint64_t ticket, const char *kind, struct buffer *message);

// Makes a path to a value that is the blob as a JSON string. The path is taken out of the buffer.
edit_t set_to_string_blob(struct buffer *path, blob_id_t blob);
