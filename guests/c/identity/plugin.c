// Emits every event as it came, tombstones included: the least that a plugin can do.

#include "contract.h"

// It reads no field: the patch of nothing is the whole document, which never leaves the host.
static const char DESCRIBE[] =
    "{\"name\":\"identity\",\"version\":\"0.1.0\","
    "\"inputs\":{\"in\":{\"fields\":[],\"tombstones\":true}},"
    "\"outputs\":{\"out\":{}}}";

void exports_millrace_plugin_processor_describe(plugin_string_t *described) {
    plugin_string_dup(described, DESCRIBE);
}

// The host's `settings` is an object; there is no setting to find in it.
bool exports_millrace_plugin_processor_configure(plugin_string_t *settings, plugin_string_t *error) {
    bool empty = settings->len == 2;
    if (!empty) plugin_string_dup(error, "this plugin has no settings");
    plugin_string_free(settings);
    return empty;
}

static void emit(const event_t *event, output_t *output) {
    if (!event->value.is_some) {
        say_tombstone(output, event->ticket, "out");
        return;
    }
    say_patch(output, event->ticket, "out", (edit_list_t){NULL, 0});
}

void exports_millrace_plugin_processor_turn(uint64_t now_ms, input_list_t *inputs, output_list_t *outputs) {
    (void)now_ms;
    *outputs = outputs_for(inputs);
    for (size_t i = 0; i < inputs->len; i++) {
        // Nothing is asked, so nothing is answered; nothing is remembered, so nothing is to forget.
        if (inputs->ptr[i].tag != MILLRACE_PLUGIN_TYPES_INPUT_EVENT) continue;
        emit(&inputs->ptr[i].val.event, next_output(outputs));
    }
    end_turn(inputs, outputs);
}
