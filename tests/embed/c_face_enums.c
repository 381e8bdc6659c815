/* Functions take codes as int; this makes the enumerations part of the interface that is compared. */
#include <deepsport/c/deepsport.h>

DS_API void ds_enums(enum ds_code code, enum ds_frame_status status, enum ds_form form,
                     enum ds_action action);
void ds_enums(enum ds_code code, enum ds_frame_status status, enum ds_form form,
              enum ds_action action) {
  (void)code, (void)status, (void)form, (void)action;
}
