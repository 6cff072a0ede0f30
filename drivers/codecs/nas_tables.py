"""The IEs of every 5GMM and 5GSM message, as data (TS 24.501 clauses 8.2 and 8.3)."""

# One line a message: type, name, then its IEs in the order of the clause.
#   mandatory   1/2:x half octet (the lower half first, "-" is spare)   V2:x   LV:x   LVE:x
#   optional    C:x type 1 TV   52/6:x type 3 TV of 6 value octets   2E:x TLV   7B:x TLV-E (all IEI 70..7F)

TABLES = """
41 REGISTRATION REQUEST | 1/2:registration_type 1/2:ng_ksi LVE:mobile_identity C:non_current_native_ksi
 10:mm_capability 2E:ue_security_capability 2F:requested_nssai 52/6:last_visited_tai
 17:s1_ue_network_capability 40:uplink_data_status 50:pdu_session_status B:mico_indication 2B:ue_status
 77:additional_guti 25:allowed_pdu_session_status 18:ue_usage_setting 51:requested_drx 70:eps_nas_container
 74:ladn_indication 8:payload_container_type 7B:payload_container 9:network_slicing_indication 53:update_type
 41:mobile_station_classmark_2 42:supported_codecs 71:nas_message_container 60:eps_bearer_context_status
 6E:requested_extended_drx 6A:t3324 67:ue_radio_capability_id 35:requested_mapped_nssai
 48:additional_information_requested 1A:requested_wus_assistance A:n5gc_indication 30:requested_nb_n1_drx
 29:ue_request_type 28:paging_restriction 72:service_level_aa_container 32:nid
 16:ms_determined_plmn_with_disaster_condition 2A:requested_peips_assistance 3B:requested_t3512
42 REGISTRATION ACCEPT | LV:registration_result 77:guti 4A:equivalent_plmns 54:tai_list 15:allowed_nssai
 11:rejected_nssai 31:configured_nssai 21:network_feature_support 50:pdu_session_status
 26:pdu_session_reactivation_result 72:pdu_session_reactivation_result_error_cause 79:ladn_information
 B:mico_indication 9:network_slicing_indication 27:service_area_list 5E:t3512 5D:non_3gpp_deregistration_timer
 16:t3502 34:emergency_number_list 7A:extended_emergency_number_list 73:sor_transparent_container
 78:eap_message A:nssai_inclusion_mode 76:operator_defined_access_categories 51:negotiated_drx
 D:non_3gpp_nw_policies 60:eps_bearer_context_status 6E:negotiated_extended_drx 6C:t3447 6B:t3448 6A:t3324
 67:ue_radio_capability_id E:ue_radio_capability_id_deletion 39:pending_nssai 74:ciphering_key_data
 75:cag_information_list 1B:truncated_5g_s_tmsi_configuration 1C:negotiated_wus_assistance
 29:negotiated_nb_n1_drx 68:extended_rejected_nssai 7B:service_level_aa_container
 33:negotiated_peips_assistance 35:additional_request_result 70:nssrg_information
 14:disaster_roaming_wait_range 2C:disaster_return_wait_range 13:disaster_plmns 1D:forbidden_tai_roaming
 1E:forbidden_tai_regional 71:extended_cag_information_list 7C:nsag_information
43 REGISTRATION COMPLETE | 73:sor_transparent_container
44 REGISTRATION REJECT | V1:mm_cause 5F:t3346 16:t3502 78:eap_message 69:rejected_nssai
 75:cag_information_list 68:extended_rejected_nssai 2C:disaster_return_wait_range
 71:extended_cag_information_list 3A:lower_bound_timer 1D:forbidden_tai_roaming 1E:forbidden_tai_regional
45 DEREGISTRATION REQUEST (UE ORIGINATING) | 1/2:deregistration_type 1/2:ng_ksi LVE:mobile_identity
46 DEREGISTRATION ACCEPT (UE ORIGINATING) |
47 DEREGISTRATION REQUEST (UE TERMINATED) | 1/2:deregistration_type 1/2:- 58/1:mm_cause 5F:t3346
 6D:rejected_nssai 75:cag_information_list 68:extended_rejected_nssai 2C:disaster_return_wait_range
 71:extended_cag_information_list 3A:lower_bound_timer 1D:forbidden_tai_roaming 1E:forbidden_tai_regional
48 DEREGISTRATION ACCEPT (UE TERMINATED) |
4C SERVICE REQUEST | 1/2:ng_ksi 1/2:service_type LVE:mobile_identity 40:uplink_data_status
 50:pdu_session_status 25:allowed_pdu_session_status 71:nas_message_container 29:ue_request_type
 28:paging_restriction
4D SERVICE REJECT | V1:mm_cause 50:pdu_session_status 5F:t3346 78:eap_message 6B:t3448 75:cag_information_list
 2C:disaster_return_wait_range 71:extended_cag_information_list 3A:lower_bound_timer 1D:forbidden_tai_roaming
 1E:forbidden_tai_regional
4E SERVICE ACCEPT | 50:pdu_session_status 26:pdu_session_reactivation_result
 72:pdu_session_reactivation_result_error_cause 78:eap_message 6B:t3448 34:additional_request_result
 1D:forbidden_tai_roaming 1E:forbidden_tai_regional
4F CONTROL PLANE SERVICE REQUEST | 1/2:control_plane_service_type 1/2:ng_ksi 6F:ciot_small_data_container
 8:payload_container_type 7B:payload_container 12/1:pdu_session_id 50:pdu_session_status
 F:release_assistance_indication 40:uplink_data_status 71:nas_message_container 24:additional_information
 25:allowed_pdu_session_status 29:ue_request_type 28:paging_restriction
50 NETWORK SLICE-SPECIFIC AUTHENTICATION COMMAND | LV:s_nssai LVE:eap_message
51 NETWORK SLICE-SPECIFIC AUTHENTICATION COMPLETE | LV:s_nssai LVE:eap_message
52 NETWORK SLICE-SPECIFIC AUTHENTICATION RESULT | LV:s_nssai LVE:eap_message
54 CONFIGURATION UPDATE COMMAND | D:configuration_update_indication 77:guti 54:tai_list 15:allowed_nssai
 27:service_area_list 43:full_name_for_network 45:short_name_for_network 46/1:local_time_zone
 47/7:universal_time_and_local_time_zone 49:network_daylight_saving_time 79:ladn_information B:mico_indication
 9:network_slicing_indication 31:configured_nssai 11:rejected_nssai 76:operator_defined_access_categories
 F:sms_indication 6C:t3447 75:cag_information_list 67:ue_radio_capability_id A:ue_radio_capability_id_deletion
 44:registration_result 1B:truncated_5g_s_tmsi_configuration C:additional_configuration_indication
 68:extended_rejected_nssai 72:service_level_aa_container 70:nssrg_information 14:disaster_roaming_wait_range
 2C:disaster_return_wait_range 13:disaster_plmns 71:extended_cag_information_list 1F:updated_peips_assistance
 73:nsag_information E:priority_indicator
55 CONFIGURATION UPDATE COMPLETE |
56 AUTHENTICATION REQUEST | 1/2:ng_ksi 1/2:- LV:abba 21/16:rand 20:autn 78:eap_message
57 AUTHENTICATION RESPONSE | 2D:authentication_response_parameter 78:eap_message
58 AUTHENTICATION REJECT | 78:eap_message
59 AUTHENTICATION FAILURE | V1:mm_cause 30:authentication_failure_parameter
5A AUTHENTICATION RESULT | 1/2:ng_ksi 1/2:- LVE:eap_message 38:abba
5B IDENTITY REQUEST | 1/2:identity_type 1/2:-
5C IDENTITY RESPONSE | LVE:mobile_identity
5D SECURITY MODE COMMAND | V1:selected_nas_security_algorithms 1/2:ng_ksi 1/2:-
 LV:replayed_ue_security_capabilities E:imeisv_request 57/1:selected_eps_nas_security_algorithms
 36:additional_security_information 78:eap_message 38:abba 19:replayed_s1_ue_security_capabilities
5E SECURITY MODE COMPLETE | 77:imeisv 71:nas_message_container 78:non_imeisv_pei
5F SECURITY MODE REJECT | V1:mm_cause
64 5GMM STATUS | V1:mm_cause
65 NOTIFICATION | 1/2:access_type 1/2:-
66 NOTIFICATION RESPONSE | 50:pdu_session_status
67 UL NAS TRANSPORT | 1/2:payload_container_type 1/2:- LVE:payload_container 12/1:pdu_session_id
 59/1:old_pdu_session_id 8:request_type 22:s_nssai 25:dnn 24:additional_information
 A:ma_pdu_session_information F:release_assistance_indication
68 DL NAS TRANSPORT | 1/2:payload_container_type 1/2:- LVE:payload_container 12/1:pdu_session_id
 24:additional_information 58/1:mm_cause 37:back_off_timer 3A:lower_bound_timer
C1 PDU SESSION ESTABLISHMENT REQUEST | V2:integrity_protection_maximum_data_rate 9:pdu_session_type A:ssc_mode
 28:sm_capability 55/2:maximum_number_of_packet_filters B:always_on_pdu_session_requested
 39:sm_pdu_dn_request_container 7B:extended_protocol_configuration_options 66:ip_header_compression
 6E:ds_tt_ethernet_port_mac_address 6F:ue_ds_tt_residence_time 74:port_management_information_container
 1F:ethernet_header_compression 29:suggested_interface_identifier 72:service_level_aa_container
 70:requested_mbs_container 34:pdu_session_pair_id 35:rsn
C2 PDU SESSION ESTABLISHMENT ACCEPT | 1/2:selected_pdu_session_type 1/2:selected_ssc_mode
 LVE:authorized_qos_rules LV:session_ambr 59/1:sm_cause 29:pdu_address 56/1:rq_timer 22:s_nssai
 8:always_on_pdu_session_indication 75:mapped_eps_bearer_contexts 78:eap_message
 79:authorized_qos_flow_descriptions 7B:extended_protocol_configuration_options 25:dnn
 17:sm_network_feature_support 18:serving_plmn_rate_control 77:atsss_container C:control_plane_only_indication
 66:ip_header_compression 1F:ethernet_header_compression 72:service_level_aa_container
 71:received_mbs_container
C3 PDU SESSION ESTABLISHMENT REJECT | V1:sm_cause 37:back_off_timer F:allowed_ssc_mode 78:eap_message
 61:congestion_re_attempt_indicator 7B:extended_protocol_configuration_options 1D:re_attempt_indicator
 72:service_level_aa_container
C5 PDU SESSION AUTHENTICATION COMMAND | LVE:eap_message 7B:extended_protocol_configuration_options
C6 PDU SESSION AUTHENTICATION COMPLETE | LVE:eap_message 7B:extended_protocol_configuration_options
C7 PDU SESSION AUTHENTICATION RESULT | 78:eap_message 7B:extended_protocol_configuration_options
C9 PDU SESSION MODIFICATION REQUEST | 28:sm_capability 59/1:sm_cause 55/2:maximum_number_of_packet_filters
 B:always_on_pdu_session_requested 13/2:integrity_protection_maximum_data_rate 7A:requested_qos_rules
 79:requested_qos_flow_descriptions 75:mapped_eps_bearer_contexts 7B:extended_protocol_configuration_options
 74:port_management_information_container 66:ip_header_compression 1F:ethernet_header_compression
 70:requested_mbs_container 72:service_level_aa_container
CA PDU SESSION MODIFICATION REJECT | V1:sm_cause 37:back_off_timer 61:congestion_re_attempt_indicator
 7B:extended_protocol_configuration_options 1D:re_attempt_indicator
CB PDU SESSION MODIFICATION COMMAND | 59/1:sm_cause 2A:session_ambr 56/1:rq_timer
 8:always_on_pdu_session_indication 7A:authorized_qos_rules 75:mapped_eps_bearer_contexts
 79:authorized_qos_flow_descriptions 7B:extended_protocol_configuration_options 77:atsss_container
 66:ip_header_compression 74:port_management_information_container 1E:serving_plmn_rate_control
 1F:ethernet_header_compression 71:received_mbs_container 72:service_level_aa_container
CC PDU SESSION MODIFICATION COMPLETE | 7B:extended_protocol_configuration_options
 74:port_management_information_container
CD PDU SESSION MODIFICATION COMMAND REJECT | V1:sm_cause 7B:extended_protocol_configuration_options
D1 PDU SESSION RELEASE REQUEST | 59/1:sm_cause 7B:extended_protocol_configuration_options
D2 PDU SESSION RELEASE REJECT | V1:sm_cause 7B:extended_protocol_configuration_options
D3 PDU SESSION RELEASE COMMAND | V1:sm_cause 37:back_off_timer 78:eap_message
 61:congestion_re_attempt_indicator 7B:extended_protocol_configuration_options D:access_type
 72:service_level_aa_container
D4 PDU SESSION RELEASE COMPLETE | 59/1:sm_cause 7B:extended_protocol_configuration_options
D6 5GSM STATUS | V1:sm_cause
"""
