"""The names that a provider may use for what it refused of a request, as they are compared (`folded`)."""

from worker.providers.error_words import folded

_FIELDS = """
access_programs audio background background_options cache_control cached_content chat_template_kwargs container
contents context_management conversation diagnostics frequency_penalty function_call functions generation_config
guided_json image include inference_geo input instructions labels logit_bias logprobs max_completion_tokens
max_output_tokens max_tokens max_tool_calls mcp_servers messages metadata min_p modalities model moderation n
output_config output_format parallel_tool_calls plugins prediction presence_penalty previous_response_id prompt
prompt_cache_key prompt_cache_options prompt_cache_retention provider random_seed reasoning reasoning_budget
reasoning_effort reasoning_format repetition_penalty response_format route safety_identifier safety_settings seed
service_tier speed stop stop_sequences store stream stream_options system system_instruction temperature text thinking
thinking_config tool_choice tool_config tools top_k top_logprobs top_p transforms truncation usage user
user_profile_id verbosity web_search_options workspace_id
"""

_BELOW = """
action actions additional_properties all_of allowed_callers allowed_domains allowed_function_names allowed_tools
annotations any_of args arguments assistant audio_metadata audio_timestamp audio_transcription
audio_transcription_config author auto base64 behavior blocked_domains budget_tokens call_id caller candidate_count
citations code code_execution code_execution_result code_execution_tool_result computer computer_use content cost
custom data default defer_loading definitions defs description detail developer disable_parallel_tool_use display
display_name document document_metadata effort enable_affective_dialog enable_enhanced_civic_answers enabled
encrypted_content enum example exclude excluded exclusive_maximum exclusive_minimum executable_code
external_web_access extra_content file file_data file_id file_search file_uri file_url filename filters format
function function_call_output function_calling_config function_declarations function_response google google_maps
google_search grammar headers id image image_config image_generation image_url include_obfuscation include_thoughts
include_usage inline_data input_audio input_examples input_file input_image input_schema input_text is_error items
json_object json_schema max_characters max_items max_length max_num_results max_properties max_uses maximum mcp
mcp_tool_result mcp_tool_use media_processing media_resolution media_type member memory message mime_type min_items
min_length min_properties minimum mode model_selection_config multiple_of name nullable number one_of order output
output_text param parameters parameters_json_schema part part_metadata parts pattern pattern_properties phase
prefix_items properties property_names property_ordering reasoning_content reasoning_details redacted_thinking ref
refusal required response response_json_schema response_logprobs response_mime_type response_modalities
response_schema result results role routing_config schema search_result server_label server_tool_use server_url
signature source sources speech_config speech_metadata spreadsheet_metadata status strict summary text_editor
thinking_budget thinking_level thought thought_signature title token tool tool_call tool_call_id tool_calls tool_id
tool_name tool_response tool_result tool_use tool_use_id translation_config ttl type url url_context user_location
value values variables vector_store_ids video_metadata voice web_fetch web_fetch_tool_result web_search
web_search_tool_result
"""

_OPEN = """
args arguments chat_template_kwargs definitions defs enum filters headers labels logit_bias metadata
part_metadata pattern_properties properties values variables
"""

FIELDS = frozenset(map(folded, _FIELDS.split()))
"""Fields of a whole request, of the four protocols and of the endpoints that have their own."""

NAMES = FIELDS | frozenset(map(folded, _BELOW.split()))
"""These and the names below them, JSON Schema's among them."""

OPEN_FIELDS = frozenset(map(folded, _OPEN.split()))
"""Fields whose keys are the caller's own."""
